"""Ends a statement that takes too long, such as one that reads an endless view."""

import sqlite3
import time

_OPERATIONS = 1_000_000
"""Operations of SQLite's virtual machine between two looks at the clock: some milliseconds."""


class StatementTimer:
    """Interrupts a connection's statement when it yields no row for longer than the limit.

    Attributes:
        limit_s: the limit, in seconds.
        is_over: whether it interrupted a statement.
    """

    def __init__(self, connection: sqlite3.Connection, *, limit_s: float) -> None:
        self.limit_s = limit_s
        self.is_over = False
        self.restart()
        connection.set_progress_handler(self._check, _OPERATIONS)

    def restart(self) -> None:
        """Begin to measure: before a statement, and before its next rows are read."""
        self._end = time.monotonic() + self.limit_s

    def _check(self) -> bool:
        """True makes SQLite interrupt the statement."""
        self.is_over = time.monotonic() > self._end
        return self.is_over
