"""Reading rows of the table ``assignments`` on one connection."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eventstore.errors import LogDamaged, LogFault
from eventstore.records import ID_START, Assignment
from eventstore.sqlite.connect import UNREADABLE, unusable_message
from eventstore.sqlite.rows import SELECTED, assignment_of
from eventstore.sqlite.statement_timer import StatementTimer

SPAWN = f"""(
    select sequence from assignments where slot = 0 and substr(process, 1, {ID_START}) = substr(?1, 1, {ID_START})
    and +process = ?1 -- without the plus SQLite would put ?1 into the index's expression and not use the index
)"""
"""An SQL expression: the sequence of the first message of process ?1. That message's id is the process's id."""
_READ_ROWS = 128
_STEPS_PER_CHECK = 50_000
"""Steps of SQLite's virtual machine between two checks of a search: about a millisecond."""


class RowReader:
    """Base of the parts of ``SqliteLog``: one connection, used by one thread at a time."""

    path: Path
    _connection: sqlite3.Connection
    _timer: StatementTimer | None = None
    _check: Callable[[], None] | None = None
    _checked_cursors: set[sqlite3.Cursor] | None = None
    """Cursors of unfinished queries since the check was set."""

    def check_reads(self, check: Callable[[], None] | None) -> None:
        """See ``LogFile.check_reads``."""
        if check is not self._check:
            # An error of an unfinished read holds its frames, and these the cursor. While a cursor is open, the
            # connection does not see new rows.
            for cursor in self._checked_cursors or ():
                cursor.close()
            self._check, self._checked_cursors = check, set()
            self._connection.set_progress_handler(None if check is None else self._is_over, _STEPS_PER_CHECK)

    def _is_over(self) -> int:
        """SQLite's progress handler: 1 ends the statement. An exception in it would be lost."""
        try:
            if self._check is not None:
                self._check()
        except Exception:
            return 1
        return 0

    def _select(self, where: str, arguments: tuple[int | str, ...]) -> Iterator[Assignment]:
        return map(assignment_of, self._rows(f"select {SELECTED} from assignments {where}", arguments))

    def _select_after(self, after: int, until: int) -> Iterator[Assignment]:
        """The assignments with ``after < sequence <= until``, in order."""
        where = "where sequence > ? and sequence <= ? order by sequence"
        query = f"select {SELECTED} from assignments {where}"
        return map(assignment_of, self._rows(query, (after, until), after_sequence=after))

    def _first(self, query: str, arguments: tuple[int | str, ...] = (), *, table: str = "assignments") -> Any:
        """The first row of a query, or None."""
        return next(self._rows(query, arguments, table=table), None)

    def _rows(
        self,
        query: str,
        arguments: tuple[int | str, ...] = (),
        *,
        table: str = "assignments",
        after_sequence: int | None = None,
    ) -> Iterator[Any]:
        """The rows of a query.

        Args:
            query: the statement.
            arguments: its values.
            table: the table that it reads, for the error message.
            after_sequence: the rows are assignments after this sequence, in order: the error names the first bad one.

        Raises:
            LogDamaged: the rows cannot be read, or reading them takes too long.
        """
        timer = self._timer
        rows: list[Any] = []
        try:
            if timer is not None:
                timer.restart()
            cursor = self._connection.execute(query, arguments)
            if (check := self._check) is not None and (open_cursors := self._checked_cursors) is not None:
                open_cursors.add(cursor)
                check()
                for row in cursor:
                    yield row
                    check()
                open_cursors.discard(cursor)
                return
            while rows := cursor.fetchmany(_READ_ROWS):
                yield from rows
                if timer is not None:
                    timer.restart()
        except UNREADABLE as error:
            if after_sequence is None or self._check is not None or self._is_late:
                raise self._damage(error, table) from None
            raise self._damaged_row(error, after=rows[-1][0] if rows else after_sequence) from None

    def _damage(self, error: Exception, table: str, sequence: int = 0) -> LogDamaged:
        """The error to raise when a table cannot be read."""
        found = str(error)
        if self._timer is not None and self._is_late:
            found = f"no row within {self._timer.limit_s:.0f} s, the time limit of a statement"
        place = f"sequence {sequence} of {table}" if sequence else table
        fault = LogFault.of_file(f"{place} cannot be read", "readable rows", found, sequence=sequence)
        return LogDamaged(f"{unusable_message(self.path, error)}: {place} cannot be read", fault)

    def _damaged_row(self, error: Exception, *, after: int) -> LogDamaged:
        """The error for the first row that cannot be read. It is among the next rows that were read at once."""
        query = f"select {SELECTED} from assignments where sequence = ?"
        for sequence in range(after + 1, after + 1 + _READ_ROWS):
            try:
                self._connection.execute(query, (sequence,)).fetchall()
            except UNREADABLE as row_error:
                return self._damage(row_error, "assignments", sequence)
        return self._damage(error, "assignments")

    @property
    def _is_late(self) -> bool:
        return self._timer is not None and self._timer.is_over
