"""One writer per log: a lock beside the file that the kernel lets go of when its holder dies."""

import fcntl
import os
import sys
import time
from pathlib import Path

from eventstore.errors import LogInUse, LogUnusable

DELEGATE_WAIT_S = 10.0
"""So long somebody who opens a log waits for what still writes it for a holder that was killed: a batch, at most."""
_HELPER_POLL_S = 0.01
_HELPER_BYTES = 1
"""Of the file, which a helper locks: a lock of another kind than the holder's, so that both can be held at one time."""


class WriterLock:
    """An exclusive ``flock`` on ``<log>.lock``, which names its holder.

    A file of its own, because closing any descriptor of the database itself would drop SQLite's own locks on it.
    """

    def __init__(self, log: Path) -> None:
        """Take the lock.

        Raises:
            LogInUse: another writer holds it, whom the message names, or somebody still writes for one that is gone.
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
        if not self._is_free_of_helpers():
            os.close(self._descriptor)
            raise LogInUse(f"{log} is still being written for a node that is gone: try again when it is done")
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"process {os.getpid()} ({Path(sys.argv[0]).name})\n".encode())

    def release(self) -> None:
        """Let the next writer in. The file stays: removing it would let two writers hold two locks of one name."""
        os.close(self._descriptor)

    def _is_free_of_helpers(self) -> bool:
        """Wait for one whose node was killed: it writes what it was given, and ends."""
        for _ in range(int(DELEGATE_WAIT_S / _HELPER_POLL_S)):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _HELPER_BYTES)
            except (BlockingIOError, PermissionError):  # POSIX leaves it open which
                time.sleep(_HELPER_POLL_S)
            else:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _HELPER_BYTES)
                return True
        return False


def lock_as_delegate(log: Path) -> None:
    """Keep, until this process ends, everybody from opening a log that it writes for another one, who has the
    ``WriterLock``: so nobody takes it over while a batch of a node that was killed may still come.

    Raises:
        OSError: the lock is held, or the file cannot be opened.
    """
    descriptor = os.open(log.with_name(log.name + ".lock"), os.O_RDWR | os.O_CLOEXEC)  # open until the process ends
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _HELPER_BYTES)
