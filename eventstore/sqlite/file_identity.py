"""Checks that the name of a log still leads to the file that its writer has open.

SQLite opens a log and the files beside it by name, and then uses the open files. If a name is given to another file
meanwhile, SQLite continues to write the old one, and the next opener reads the new one: what was acknowledged is lost.
"""

import logging
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from eventstore.errors import LogFailed
from eventstore.sqlite.file_names import beside

BESIDE_CHECK_S = 0.05
"""Shortest time between two checks of the files beside a log. The log itself is checked on each commit."""
_logger = logging.getLogger("mostao")


class FileId(NamedTuple):
    """The identity of a file, which does not depend on its names."""

    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "FileId | None":
        """The identity of the file that a path leads to; None if there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino)

    @classmethod
    def of_open(cls, descriptor: int) -> "FileId":
        """The identity of an open file."""
        status = os.fstat(descriptor)
        return cls(status.st_dev, status.st_ino)


class LockFile(Protocol):
    """A lock file that is open."""

    @property
    def path(self) -> Path:
        """Its name."""

    @property
    def own_id(self) -> FileId:
        """Its identity."""


class LogIdentity:
    """The identities of a log and of the files beside it, while a connection has them open.

    Args:
        path: the log.
        lock: the writer's lock, which names its file and has it open.

    Raises:
        LogFailed: the path does not lead to a file that this process has open.
    """

    def __init__(self, path: Path, lock: LockFile) -> None:
        self._path, self._lock_path = path, lock.path
        file_id = FileId.of(path)
        if file_id is None or not is_open_here(file_id):
            raise LogFailed(f"{path} was replaced or removed while it was being opened: try again")
        self.file_id = file_id
        self._beside: dict[Path, FileId | None] = {lock.path: lock.own_id}
        """What each file beside the log has to be; None while SQLite has not made it."""
        for suffix in ("-wal", "-shm"):
            name = beside(path, suffix)
            self._beside[name] = FileId.of(name)
        self._checked_beside = 0.0
        self._links_are_reported = False

    def fault(self, *, beside_now: bool = False) -> str:
        """Why the log cannot be written any more; empty while every name leads to its open file.

        Args:
            beside_now: check the files beside the log in any case.
        """
        try:
            status = self._path.stat()
        except OSError as error:
            return self._moved(f"does not lead to it any more ({error.strerror})")
        if status.st_ino != self.file_id.inode or status.st_dev != self.file_id.device:
            return self._moved("leads to another file now")
        if status.st_nlink > 1 and not self._links_are_reported:
            self._links_are_reported = True
            _logger.warning(
                "%s got a second name (a hard link), which changes with it and is no backup: remove one of the names"
                " before the node is started again, because a log with several names is refused",
                self._path,
            )
        now = time.monotonic()
        if now - self._checked_beside < BESIDE_CHECK_S and not beside_now:
            return ""
        self._checked_beside = now
        return self._fault_beside()

    def _fault_beside(self) -> str:
        for name, expected in self._beside.items():
            found = FileId.of(name)
            if expected is None:
                self._beside[name] = found
            elif found != expected:
                what = "was removed" if found is None else "was replaced"
                return (
                    f"{name} {what} while a node was writing {self._path}: the node stops. {self._path} has every event"
                    " that was acknowledged; start the node again"
                )
        return ""

    def _moved(self, what: str) -> str:
        moved = (
            f"{self._path} was moved, replaced or removed while a node was writing it: the name {what}. The node stops."
        )
        if self.nameless() is not None:
            return f"{moved} The file with every acknowledged event has no name any more"
        return (
            f"{moved} The file with every acknowledged event has inode {self.file_id.inode}: find it with"
            f" `find {self._path.parent.parent} -inum {self.file_id.inode}`, move it back, and start the node again; if"
            " it was removed, restore a copy"
        )

    def has_its_files(self) -> bool:
        """Whether the names of the log and of what SQLite has beside it still lead to the open files."""
        expected = {self._path: self.file_id, **self._beside}
        return all(FileId.of(name) == file_id for name, file_id in expected.items() if name != self._lock_path)

    def nameless(self) -> os.stat_result | None:
        """The status of the open log if no name leads to it, so that it ends when it is closed."""
        try:
            descriptor = open_descriptor(self.file_id)
            status = None if descriptor is None else os.fstat(descriptor)
        except OSError:
            return None
        return status if status is not None and status.st_nlink == 0 else None


def is_open_here(file_id: FileId) -> bool:
    """Whether this process has a file open. True where the system does not tell."""
    try:
        return open_descriptor(file_id) is not None
    except OSError:
        return True


def open_descriptor(file_id: FileId) -> int | None:
    """The descriptor of a regular file that this process has open; None if it has not.

    Read such a file through it: closing any other descriptor of the file would drop the locks of SQLite's connections.

    Raises:
        OSError: the system does not list the open files.
    """
    for path in Path("/dev/fd").iterdir():
        with suppress(OSError, ValueError):  # it was the descriptor of the listing
            descriptor = int(path.name)
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) == file_id:
                return descriptor
    return None
