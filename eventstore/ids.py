"""Messages found by their ids: a table of how each id begins, filled some time after the messages came.

An id is a hash, so the next one belongs to any page of an index, and a commit that kept one up to date would write as
many pages of 4 KiB as it has messages: eight times what they say. So the newest ids are not in the table yet. Those of
a chunk of rows go into it while the next chunk comes, in their own order: neighbours share pages. Whatever is not there
yet is looked for among the newest rows, of which there are at most two chunks.

How long a chunk is, and which of its ids are in the table when, follows from the number of rows alone, so that the same
assignments make the same file however they came in batches.
"""

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from eventstore.format import ID_START
from eventstore.tree import FAN

CHUNK_MAX = 65_536
"""Rows of the longest chunk. A writer keeps the ids of two in memory, some 20 MB."""
FILED = f"""exists (
    select 1 from ids where ids.id_start = substr(it.message_id, 1, {ID_START}) and ids.sequence = it.sequence
)"""
"""An SQL condition: the table has the row ``it``."""
_CANDIDATES = f"select sequence from ids where id_start = substr(?1, 1, {ID_START})"
_READ_AT_ONCE = 16_384
_INSERT = "insert into ids values (?, ?)"
_LOG_CHUNKS = 32
"""A log has about so many chunks or more: then a chunk's ids stand close enough to one another in the table."""

Entry = tuple[str, int]
"""How an id begins, and its message's sequence: a row of the table."""


def chunk_of(position: int) -> tuple[int, int]:
    """The chunk that a row belongs to.

    Args:
        position: rows before it.

    Returns:
        Rows before the chunk, and its length.
    """
    length = min(max(FAN, (1 << position.bit_length()) // (2 * _LOG_CHUNKS)), CHUNK_MAX)
    return position - position % length, length


def filed_up_to(rows: int) -> int:
    """Sequence up to which every id is in the table of a log with so many rows."""
    start, _ = chunk_of(rows)
    return chunk_of(start - 1)[0] if start else 0


class _Chunks:
    """Which ids go into the table next."""

    def __init__(self, rows: int, newest: Iterable[tuple[str, int]]) -> None:
        """Stand at the end of a log.

        Args:
            rows: how many it has.
            newest: id and sequence of each behind ``filed_up_to``.
        """
        self.rows = rows
        self._start, self._length = chunk_of(rows)
        self._newest = dict(newest)
        """Of this chunk."""
        self._before = {one: sequence for one, sequence in self._newest.items() if sequence <= self._start}
        for one in self._before:
            del self._newest[one]
        self._order = sorted(self._before)

    def hold(self, message_ids: Sequence[str]) -> bool:
        """Whether one of these is there already."""
        return not (self._newest.keys().isdisjoint(message_ids) and self._before.keys().isdisjoint(message_ids))

    def add(self, message_ids: Sequence[str]) -> list[Entry]:
        """Take those of the next rows, none of which stands behind the end of a subtree of the log's Merkle tree.

        Returns:
            What goes into the table with them.
        """
        self._newest.update(zip(message_ids, range(self.rows + 1, self.rows + 1 + len(message_ids)), strict=True))
        self.rows += len(message_ids)
        due = self.due() if self.rows % FAN == 0 else []
        if self.rows == self._start + self._length:
            self._before, self._newest, self._order = self._newest, {}, sorted(self._newest)
            self._start, self._length = chunk_of(self.rows)
        return due

    def due(self) -> list[Entry]:
        """What goes into the table with the newest row."""
        subtrees = self._length // FAN
        number = (self.rows - self._start) // FAN
        count = len(self._order)
        part = self._order[count * (number - 1) // subtrees : count * number // subtrees]
        return [(one[:ID_START], self._before[one]) for one in part]

    def already(self) -> list[Entry]:
        """What is in the table of the chunk before this one."""
        part = self._order[: len(self._order) * ((self.rows - self._start) // FAN) // (self._length // FAN)]
        return [(one[:ID_START], self._before[one]) for one in part]


class IdTable:
    """The table of ids of a log, and the rows that are not in it yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Look at a log through a connection that is used by one thread at a time."""
        self._connection = connection
        self._chunks: _Chunks | None = None
        self._newest: set[str] = set()
        """The ids that are not in the table, as far as they were asked for."""
        self._read: deque[tuple[int, list[str]]] = deque()
        """The same, in the order in which they were read, with the sequence up to which."""

    def sequence_of(self, message_id: str) -> int | None:
        """Where a message stands."""
        rows = self._rows()  # first: what goes into the table meanwhile is found among these all the same
        return self._first(
            f"select sequence from assignments where message_id = ?1 and sequence in ({_CANDIDATES})", message_id
        ) or self._first(
            f"select sequence from assignments not indexed where sequence > {filed_up_to(rows)} and message_id = ?1"
            " order by sequence desc limit 1",
            message_id,
        )

    def known(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the log holds."""
        self._follow()
        return self._newest.intersection(message_ids) | self._filed(message_ids)

    def starts(self) -> Iterator[list[str]]:
        """How each id begins, some thousands at a time."""
        after = filed_up_to(self._rows())
        last = ""
        filed = f"select id_start from ids where id_start > ? order by id_start limit {_READ_AT_ONCE}"
        query = f"select group_concat(id_start), max(id_start) from ({filed})"
        while (found := self._connection.execute(query, (last,)).fetchone()) != (None, None):
            starts, last = found
            yield starts.split(",")
        newest = f"""
            select substr(message_id, 1, {ID_START}) as id_start, sequence from assignments not indexed
            where sequence > ? order by sequence limit {_READ_AT_ONCE}
        """
        query = f"select group_concat(id_start), max(sequence) from ({newest})"
        while (found := self._connection.execute(query, (after,)).fetchone()) != (None, None):
            starts, after = found
            yield starts.split(",")

    def refuse_known(self, rows: int, message_ids: Sequence[str], outside: Sequence[str]) -> None:
        """Refuse rows that are to be appended if one of their messages is there already.

        Args:
            rows: how many there are.
            message_ids: those of the next ones.
            outside: those of messages from outside. The others' follow from their parents'.

        Raises:
            sqlite3.IntegrityError: one is.
        """
        if len({*message_ids}) < len(message_ids) or self._at(rows).hold(message_ids) or self._filed(outside):
            raise sqlite3.IntegrityError("a message with this id is there already")

    def add(self, rows: int, message_ids: Sequence[str]) -> None:
        """Keep up with rows that are appended, within their transaction.

        Args:
            rows: how many there were before.
            message_ids: those of the next ones, none of which stands behind the end of a subtree.
        """
        entries = self._at(rows).add(message_ids)
        if entries:
            self._connection.executemany(_INSERT, entries)

    def forget(self) -> None:
        """What was added last is gone."""
        self._chunks = None

    def fill(self) -> None:
        """Put in what is due, into an empty table."""
        rows = self._rows()
        self._connection.execute(
            f"insert into ids select substr(message_id, 1, {ID_START}), sequence from assignments where sequence <= ?"
            " order by 1, 2",
            (filed_up_to(rows),),
        )
        self._connection.executemany(_INSERT, self._read_chunks(rows).already())

    def stray(self) -> int | None:
        """The sequence of an entry that should not be there, or is not there; of those up to ``filed_up_to`` only the
        former. None if there is none.
        """
        execute = self._connection.execute
        execute("begin")  # a node may be writing meanwhile
        try:
            rows = self._rows()
            whole = filed_up_to(rows)
            due = set(self._read_chunks(rows).already())
            found = set(execute("select id_start, sequence from ids where sequence > ?", (whole,)).fetchall())
            if due != found:
                return min((sequence for _, sequence in due ^ found if isinstance(sequence, int)), default=0)
            if execute("select count(*) from ids").fetchone() == (whole + len(due),):
                return None
            return self._first(
                "select ids.sequence from ids left join assignments on assignments.sequence = ids.sequence"
                f" where substr(message_id, 1, {ID_START}) is not id_start order by 1 limit 1"
            )
        finally:
            execute("rollback")

    def _follow(self) -> None:
        after = self._read[-1][0] if self._read else 0
        rows = self._rows()
        whole = filed_up_to(rows)
        if rows > after:  # in one row: the interpreter lock is let go, and waited for, once for each
            query = """
                select group_concat(message_id) from assignments not indexed
                where sequence > ? and sequence <= ?
            """
            [found] = self._connection.execute(query, (max(after, whole), rows)).fetchone()
            ids = found.split(",") if found else []
            self._read.append((rows, ids))
            self._newest.update(ids)
        while self._read and self._read[0][0] <= whole:
            self._newest.difference_update(self._read.popleft()[1])

    def _filed(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the table."""
        marks = ",".join("?" * len(message_ids))
        query = f"""
            select message_id from assignments
            where sequence in (select sequence from ids where id_start in ({marks}))
        """
        starts = [message_id[:ID_START] for message_id in message_ids]
        return {found for [found] in self._connection.execute(query, starts)}.intersection(message_ids)

    def _at(self, rows: int) -> _Chunks:
        if self._chunks is None or self._chunks.rows != rows:  # another process may have written since
            self._chunks = self._read_chunks(rows)
        return self._chunks

    def _read_chunks(self, rows: int) -> _Chunks:
        query = """
            select cast(message_id as text), sequence from assignments not indexed where sequence > ? and sequence <= ?
        """
        return _Chunks(rows, self._connection.execute(query, (filed_up_to(rows), rows)))

    def _rows(self) -> int:
        [rows] = self._connection.execute("select coalesce(max(sequence), 0) from assignments").fetchone()
        return int(rows)

    def _first(self, query: str, *arguments: str) -> int | None:
        row = self._connection.execute(query, arguments).fetchone()
        return int(row[0]) if row else None
