"""An archive in a folder."""

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from actors.ans104.item import item_id
from actors.relation.archives import (
    TRANSACTION_BYTES_MAX,
    ArchiveFailed,
    ArchiveRefused,
    NotArchived,
    too_large,
)
from eventstore.records import decode_id

SUFFIX = ".ans104"
_PART = ".part"


class FolderArchive:
    """Stores each transaction in a file named by its id. Writes are atomic: no file is ever incomplete.

    Others may write to the folder, so it opens regular files only, and follows no symbolic link: neither a file of the
    folder nor the folder itself may be one.

    Args:
        folder: the folder; the first transaction creates it.
        transaction_bytes_max: limit of a transaction that is read.
    """

    def __init__(self, folder: Path, *, transaction_bytes_max: int = TRANSACTION_BYTES_MAX) -> None:
        self._folder, self._bytes_max = folder, transaction_bytes_max

    async def put(self, raw: bytes) -> None:
        """Store a transaction durably."""
        await asyncio.to_thread(self._put, raw)

    async def get(self, id_: str) -> bytes:
        """Read a transaction."""
        return await asyncio.to_thread(self._get, id_)

    def _get(self, id_: str) -> bytes:
        try:
            decode_id(id_)  # an id names no other folder
        except ValueError as error:
            raise ArchiveRefused(str(error)) from None
        try:
            with self._open_folder() as folder:
                return self._read(folder, id_ + SUFFIX, self._bytes_max)
        except FileNotFoundError:
            raise NotArchived(f"there is no transaction {id_} in {self._folder}") from None
        except OSError as error:
            raise ArchiveFailed(f"the archive {self._folder} cannot be read ({error.strerror})") from None

    def _put(self, raw: bytes) -> None:
        name = item_id(raw) + SUFFIX
        part = name.removesuffix(SUFFIX) + _PART
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._open_folder() as folder:
                if self._has(folder, name, raw):
                    return
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)  # of an interrupted write; never written through
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(part, flags, 0o666, dir_fd=folder), "wb") as file:
                    file.write(raw)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)  # makes the file's name durable, too
        except OSError as error:
            raise ArchiveFailed(f"the archive {self._folder} cannot be written ({error.strerror})") from None

    def _has(self, folder: int, name: str, raw: bytes) -> bool:
        """Whether the folder has a file with exactly these bytes. Any other file of this name is to be replaced."""
        try:
            return self._read(folder, name, len(raw)) == raw
        except (FileNotFoundError, ArchiveRefused):
            return False

    def _read(self, folder: int, name: str, bytes_max: int) -> bytes:
        """A regular file of the folder."""
        path = self._folder / name
        self._check_regular(path, os.stat(name, dir_fd=folder, follow_symlinks=False))  # opening a device may act on it
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            status = os.fstat(descriptor)
            self._check_regular(path, status)
            if status.st_size > bytes_max:
                raise too_large(str(path), bytes_max)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(status.st_size + 1)
        finally:
            os.close(descriptor)
        if len(raw) != status.st_size:
            raise ArchiveFailed(f"{path} changed while it was read")
        return raw

    def _check_regular(self, path: Path, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise ArchiveRefused(f"{path} is not a regular file: an archive holds no links, folders, pipes or devices")

    @contextmanager
    def _open_folder(self) -> Iterator[int]:
        if self._folder.is_symlink():
            raise ArchiveRefused(f"{self._folder} is a symbolic link: name the folder that it leads to")
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
