"""One writer per log: a lock file beside the log, which the kernel releases when its holder dies.

The lock file also stores the log's epoch, a counter that each lease increments; the identity of the log's file; whether
a writer closed the log; and the sequence up to which the log is durable. The latter is written after each commit and
never synced, so it costs little and may be older than the log. It is never newer, unless the storage lost what it had
reported as durable.
"""

import errno
import fcntl
import os
import re
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from eventstore.errors import LogInUse, LogUnusable
from eventstore.sqlite.file_identity import FileId
from eventstore.sqlite.file_names import beside

DELEGATE_WAIT_S = 10.0
"""How long an opener waits for the delegate of a killed node to finish its last batch."""
_DELEGATE_POLL_S = 0.01
_DELEGATE_BYTES = 1
"""Bytes of the lock file that a delegate locks. POSIX record locks and ``flock`` are independent, so the holder and its
delegate can each have their own lock at the same time."""
_LOCK_FILE_BYTES = 4096
_FILE = re.compile(rb"^file (\d+) (\d+)$", re.MULTILINE)
_EPOCH = re.compile(rb"^epoch (\d+)$", re.MULTILINE)
_CLOSED = b"closed\n"
_DURABLE = re.compile(rb"^durable (\d{20})$", re.MULTILINE)


class _OpenLockFile:
    """A lock file that is open, with what its holder and its holder's delegate read and write in the same way."""

    path: Path
    own_id: FileId
    _descriptor: int
    _durable_offset: int

    @property
    def epoch(self) -> int:
        """The epoch of the newest lease; 0 if none was ever taken."""
        return _number_in(self._read(), _EPOCH)

    def record_durable(self, sequence: int) -> None:
        """Store the sequence up to which the log is durable."""
        with suppress(OSError):  # a full disk: the number stays older than the log, as after a crash
            os.pwrite(self._descriptor, b"%020d" % sequence, self._durable_offset)

    def _read(self) -> bytes:
        return os.pread(self._descriptor, _LOCK_FILE_BYTES, 0)


class WriterLock(_OpenLockFile):
    """An exclusive ``flock`` on ``<log>.lock``, which names its holder.

    The lock needs a file of its own: closing any descriptor of the database would drop SQLite's locks on it.

    Attributes:
        durable: the sequence up to which the log is durable, as the file names it.
        was_closed: whether the writer before closed the log. Older versions did not note it, and are believed.
    """

    def __init__(self, log: Path) -> None:
        """Take the lock.

        Raises:
            LogInUse: another writer holds it (the message names that writer), or a delegate still writes for a node
                that is gone.
            LogUnusable: the folder cannot be written, or the lock file is a link, a folder or a device.
        """
        self.path = lock_path(log)
        self._file_id = FileId(0, 0)
        try:
            self._descriptor = _open_lock_file(self.path, os.O_CREAT)
        except _NoLockFile as error:
            raise LogUnusable(
                f"{self.path} is {error}, not a lock file, and writing it could change another file: stop every node"
                f" that writes {log.name}, remove {self.path.name}, and try again"
            ) from None
        except OSError as error:
            raise LogUnusable(
                f"{self.path.parent} cannot be written ({error.strerror}): choose another folder"
            ) from None
        try:
            self._take(log)
            found = self._read()
            self.durable = _number_in(found, _DURABLE)
            self.was_closed = found.endswith(_CLOSED) or not _DURABLE.search(found)
            self._write(self.epoch)
        except BaseException:
            os.close(self._descriptor)
            raise

    def record_durable(self, sequence: int) -> None:
        """Store the sequence up to which the log is durable."""
        self.durable = sequence
        super().record_durable(sequence)

    def forget_durable(self) -> None:
        """Begin with a new log: the file names events of one that was removed."""
        self.record_durable(0)

    def next_epoch(self) -> int:
        """Increment the epoch."""
        epoch = self.epoch + 1
        self._write(epoch)
        return epoch

    def record_file(self, file_id: FileId) -> None:
        """Store which file the holder writes, for its delegate."""
        self._file_id = file_id
        self._write(self.epoch)

    def record_closed(self) -> None:
        """Note that the writer closed the log."""
        self._write(self.epoch, _CLOSED)

    def release(self) -> None:
        """Let the next writer in. The file stays: removing it would let two writers lock two files of one name."""
        os.close(self._descriptor)

    def _take(self, log: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._read().split(b"\n")[0].decode(errors="replace").strip() or "another process"
            raise LogInUse(f"{log} is being written by {holder}: stop it first, or choose another log") from None
        self.own_id = FileId.of_open(self._descriptor)
        if FileId.of(self.path) != self.own_id:  # it was removed after it was opened
            raise LogInUse(f"{self.path} was removed by another process: try again, and do not remove it")
        if not self._is_free_of_delegates():
            raise LogInUse(f"{log} is still being written for a node that is gone: try again when it is done")

    def _write(self, epoch: int, end: bytes = b"") -> None:
        """Write holder and epoch. The write comes before the truncation, so that a killed process loses no epoch."""
        program = "".join(character for character in Path(sys.argv[0]).name if character.isprintable())
        device, inode = self._file_id
        self.durable = max(self.durable, _number_in(self._read(), _DURABLE))  # a delegate may have written it
        lines = (
            f"process {os.getpid()} ({program})\n",
            f"epoch {epoch}\n",
            f"file {device} {inode}\n",
            f"durable {self.durable:020}\n",
        )
        text = "".join(lines).encode() + end
        self._durable_offset = _offset_in(text)
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def _is_free_of_delegates(self) -> bool:
        """Wait for the delegate of a killed node: it writes the batch that it was given, and ends."""
        for _ in range(int(DELEGATE_WAIT_S / _DELEGATE_POLL_S)):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _DELEGATE_BYTES)
            except (BlockingIOError, PermissionError):  # POSIX permits either
                time.sleep(_DELEGATE_POLL_S)
            else:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _DELEGATE_BYTES)
                return True
        return False


class DelegateLock(_OpenLockFile):
    """The lock of a child process that writes a log for the holder of its ``WriterLock``.

    While it is held, no other writer opens the log, even if the holder is killed in the middle of a batch.
    It lasts until the process ends: closing any descriptor of the lock file would release it.
    """

    def __init__(self, log: Path) -> None:
        """Take the lock.

        Raises:
            OSError: another delegate holds it, or the file cannot be opened, or is no lock file.
        """
        self.path = lock_path(log)
        self._descriptor = _open_lock_file(self.path, 0)
        self.own_id = FileId.of_open(self._descriptor)
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _DELEGATE_BYTES)
        self._durable_offset = _offset_in(self._read())

    @property
    def file_id(self) -> FileId:
        """The identity of the log that the holder of the writer lock has open."""
        found = _FILE.search(self._read())
        return FileId(int(found[1]), int(found[2])) if found else FileId(0, 0)

    def release(self) -> None:
        """Keep the lock: the process may still have a batch to write. The kernel releases it at the process's end."""


def lock_path(log: Path) -> Path:
    """The lock file of a log."""
    return beside(log, ".lock")


def is_of_interrupted_start(log: Path) -> bool:
    """Whether the lock file states that its log never had a durable event. The lock is not taken."""
    try:
        descriptor = _open_lock_file(lock_path(log), 0)
    except OSError:
        return False
    try:
        found = _DURABLE.search(os.pread(descriptor, _LOCK_FILE_BYTES, 0))
    finally:
        os.close(descriptor)
    return found is not None and int(found[1]) == 0


class _NoLockFile(OSError):
    """The text says what is there instead."""


def _open_lock_file(path: Path, flags: int) -> int:
    """Open a lock file without following a link: a folder that another person made may contain one to any file.

    Raises:
        _NoLockFile: this is no regular file, or the file has other names, too.
        OSError: the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | flags, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and path.is_symlink():  # the number depends on the system
            raise _NoLockFile("a symbolic link") from None
        if path.is_dir():
            raise _NoLockFile("a folder") from None
        raise
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise _NoLockFile("a hard link" if stat.S_ISREG(status.st_mode) else "a pipe or a device")


def _number_in(text: bytes, line: "re.Pattern[bytes]") -> int:
    """The number in a line of a lock file; 0 if an older version wrote the file without this line."""
    found = line.search(text)
    return int(found[1]) if found else 0


def _offset_in(text: bytes) -> int:
    """Where the digits of the durable sequence are in a lock file. A node wrote the line when it took the lock."""
    found = _DURABLE.search(text)
    if found is None:
        raise OSError("the lock file has no line for the durable sequence")
    return found.start(1)
