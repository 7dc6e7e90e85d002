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
from collections.abc import Iterator, Sequence

from eventstore.records import ID_START
from eventstore.sqlite.id_batches import IdBatches, indexed_up_to

IS_INDEXED = f"""exists (
    select 1 from ids where ids.id_start = substr(it.message_id, 1, {ID_START}) and ids.sequence = it.sequence
)"""
"""An SQL condition: the table has the row ``it``."""
_CANDIDATES = f"select sequence from ids where id_start = substr(?1, 1, {ID_START})"
_READ_AT_ONCE = 1024
_INSERT = "insert into ids values (?, ?)"


class IdTable:
    """The table of ids of a log, and the rows that are not in it yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Look at a log through a connection that is used by one thread at a time."""
        self._connection = connection
        self._chunks: IdBatches | None = None
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
            f"select sequence from assignments not indexed where sequence > {indexed_up_to(rows)} and message_id = ?1"
            " order by sequence desc limit 1",
            message_id,
        )

    def existing_ids(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the log holds."""
        self._follow()
        return self._newest.intersection(message_ids) | self._filed(message_ids)

    def prefixes(self) -> Iterator[list[str]]:
        """How each id begins, some thousands at a time."""
        after = indexed_up_to(self._rows())
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
            (indexed_up_to(rows),),
        )
        self._connection.executemany(_INSERT, self._read_chunks(rows).filed())

    def bad_index_entry(self) -> int | None:
        """The sequence of an entry that should not be there, or is not there; of those up to ``indexed_up_to`` only the
        former. None if there is none.
        """
        execute = self._connection.execute
        execute("begin")  # a node may be writing meanwhile
        try:
            rows = self._rows()
            whole = indexed_up_to(rows)
            due = set(self._read_chunks(rows).filed())
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
        whole = indexed_up_to(rows)
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
        starts: list[str | None] = [message_id[:ID_START] for message_id in message_ids]
        starts += [None] * (_power_of_two(len(starts)) - len(starts))  # few statements, which are compiled once
        query = f"""
            select message_id from assignments
            where sequence in (select sequence from ids where id_start in ({",".join("?" * len(starts))}))
        """
        return {found for [found] in self._connection.execute(query, starts)}.intersection(message_ids)

    def _at(self, rows: int) -> IdBatches:
        if self._chunks is None or self._chunks.rows != rows:  # another process may have written since
            self._chunks = self._read_chunks(rows)
        return self._chunks

    def _read_chunks(self, rows: int) -> IdBatches:
        query = """
            select cast(message_id as text), sequence from assignments not indexed where sequence > ? and sequence <= ?
        """
        return IdBatches(rows, self._connection.execute(query, (indexed_up_to(rows), rows)))

    def _rows(self) -> int:
        [rows] = self._connection.execute("select coalesce(max(sequence), 0) from assignments").fetchone()
        return int(rows)

    def _first(self, query: str, *arguments: str) -> int | None:
        row = self._connection.execute(query, arguments).fetchone()
        return int(row[0]) if row else None


def _power_of_two(number: int) -> int:
    """The next one that is not smaller; 0 for 0."""
    return 1 << (number - 1).bit_length() if number else 0
