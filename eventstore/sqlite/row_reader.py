"""Reading rows of the table ``assignments`` on one connection."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eventstore.errors import LogUnusable
from eventstore.records import ID_START, Assignment
from eventstore.sqlite.connect import unusable_message
from eventstore.sqlite.rows import SELECTED, assignment_of

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

    def _first(self, query: str, arguments: tuple[int | str, ...] = ()) -> Any:
        """The first row of a query, or None."""
        return next(self._rows(query, arguments), None)

    def _rows(self, query: str, arguments: tuple[int | str, ...] = ()) -> Iterator[Any]:
        """The rows of a query.

        Raises:
            LogUnusable: the file is damaged.
        """
        try:
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
        except sqlite3.DatabaseError as error:
            raise LogUnusable(unusable_message(self.path, error)) from None
