"""Connections that read a log while it is being written, one for whoever reads at the moment.

A connection of SQLite's sees the log as it was when the first of its reads that are still going on began. Threads that
shared one would, as long as their reads overlap, never see what was appended since.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eventstore.sqlite.log import SqliteLog

T = TypeVar("T")


class Readers:
    """A log for any number of reading threads.

    Args:
        path: the log's file.

    Raises:
        LogMissing, LogUnusable: as ``SqliteLog.open_to_read``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle = [SqliteLog.open_to_read(path)]

    def read(self, reading: Callable[[SqliteLog], T]) -> T:
        """What a function finds in the log as it is now."""
        try:
            log = self._idle.pop()
        except IndexError:
            log = SqliteLog.open_to_read(self._path)
        try:
            return reading(log)
        finally:
            self._idle.append(log)

    def close(self) -> None:
        """Let go of the file. Nobody may be reading."""
        while self._idle:
            self._idle.pop().close()
