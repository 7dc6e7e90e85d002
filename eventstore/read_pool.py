"""A log for any number of reading threads, while a writer appends to it.

A database connection sees the log as it was when the oldest of its open reads began. Threads that shared one connection
would never see new rows as long as their reads overlap. So each read uses a connection of its own.
"""

from collections.abc import Callable
from typing import TypeVar

from eventstore.log_file import LogFile

T = TypeVar("T")


class ReadPool:
    """Keeps connections for reuse.

    Args:
        open_reader: opens a log for reading. Its errors pass through, the first time on construction.
    """

    def __init__(self, open_reader: Callable[[], LogFile]) -> None:
        self._open_reader = open_reader
        self._idle = [open_reader()]

    def read(self, function: Callable[[LogFile], T], check: Callable[[], None] | None = None) -> T:
        """Apply a function to the log as it is now.

        Args:
            function: reads from the log that it gets.
            check: see ``LogFile.check_reads``.
        """
        try:
            log = self._idle.pop()
        except IndexError:
            log = self._open_reader()
        try:
            log.check_reads(check)
            return function(log)
        finally:
            log.check_reads(None)
            self._idle.append(log)

    def close(self) -> None:
        """Close every connection. No read may be running."""
        while self._idle:
            self._idle.pop().close()
