"""One writer per log: a lock beside the file that the kernel lets go of when its holder dies."""

import fcntl
import os
import sys
from pathlib import Path

from eventstore.errors import LogInUse, LogUnusable


class WriterLock:
    """An exclusive ``flock`` on ``<log>.lock``, which names its holder.

    A file of its own, because closing any descriptor of the database itself would drop SQLite's own locks on it.
    """

    def __init__(self, log: Path) -> None:
        """Take the lock.

        Raises:
            LogInUse: another writer holds it; the message names that process.
            LogUnusable: the folder cannot be written.
        """
        self._path = log.with_name(log.name + ".lock")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LogUnusable(
                f"{self._path.parent} cannot be written ({error.strerror}): choose another folder"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 4096).decode(errors="replace").strip() or "another process"
            os.close(self._descriptor)
            raise LogInUse(f"{log} is being written by {holder}: stop it first, or choose another log") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"process {os.getpid()} ({Path(sys.argv[0]).name})\n".encode())

    def release(self) -> None:
        """Let the next writer in. The file stays: removing it would let two writers hold two locks of one name."""
        os.close(self._descriptor)
