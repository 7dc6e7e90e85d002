"""Finding messages by id: a table of id prefixes that lags behind the rows.

Ids are hashes, so consecutive inserts hit random index pages. If each commit kept an index up to date, it would write
one page of 4 KiB per message, eight times the message's own size. Therefore the newest ids are not in the table. The
ids of one batch of rows enter the table while the next batch is appended, in the order of the ids, so that neighbours
share pages. Ids that are not in the table are searched among the newest rows, at most two id batches.

``eventstore.sqlite.id_batches`` defines the batches.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence

from eventstore.records import ID_START
from eventstore.sqlite.id_batches import IdBatches, indexed_up_to

IS_INDEXED = f"""exists (
    select 1 from ids
    where ids.id_start = substr(log_row.message_id, 1, {ID_START}) and ids.sequence = log_row.sequence
)"""
"""An SQL condition: the table contains the row ``log_row`` of ``assignments``."""
_CANDIDATES = f"select sequence from ids where id_start = substr(?1, 1, {ID_START})"
_READ_AT_ONCE = 1024
_INSERT = "insert into ids values (?, ?)"


class IdTable:
    """The table of ids of a log, and the rows that are not in it yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use a connection. One thread at a time may use it."""
        self._connection = connection
        self._id_batches: IdBatches | None = None
        self._newest: set[str] = set()
        """The ids that are not in the table, read for lookups."""
        self._newest_reads: deque[tuple[int, list[str]]] = deque()
        """The same ids, in the lists in which they were read, each with the last sequence of its list."""

    def sequence_of(self, message_id: str) -> int | None:
        """The sequence of a message; None if the log lacks it."""
        rows = self._rows()  # count rows first: an id indexed meanwhile is still found by one of the queries
        return self._first(
            f"select sequence from assignments where message_id = ?1 and sequence in ({_CANDIDATES})", message_id
        ) or self._first(
            f"select sequence from assignments not indexed where sequence > {indexed_up_to(rows)} and message_id = ?1"
            " order by sequence desc limit 1",
            message_id,
        )

    def existing_ids(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the log contains."""
        self._read_newest()
        return self._newest.intersection(message_ids) | self._indexed(message_ids)

    def prefixes(self) -> Iterator[list[str]]:
        """The first ``ID_START`` characters of every id, in lists of about a thousand."""
        after = indexed_up_to(self._rows())
        last = ""
        indexed = f"select id_start from ids where id_start > ? order by id_start limit {_READ_AT_ONCE}"
        query = f"select group_concat(id_start), max(id_start) from ({indexed})"
        while (row := self._connection.execute(query, (last,)).fetchone()) != (None, None):
            prefixes, last = row
            yield prefixes.split(",")
        newest = f"""
            select substr(message_id, 1, {ID_START}) as id_start, sequence from assignments not indexed
            where sequence > ? order by sequence limit {_READ_AT_ONCE}
        """
        query = f"select group_concat(id_start), max(sequence) from ({newest})"
        while (row := self._connection.execute(query, (after,)).fetchone()) != (None, None):
            prefixes, after = row
            yield prefixes.split(",")

    def refuse_duplicates(self, rows: int, message_ids: Sequence[str], external_ids: Sequence[str]) -> None:
        """Refuse an append that repeats a message id.

        Args:
            rows: number of rows in the log.
            message_ids: the ids of the rows to append.
            external_ids: those of external messages. Only they are searched in the table: the other ids are hashes of
                their parents, so they cannot repeat unless an external id does.

        Raises:
            sqlite3.IntegrityError: the log or the append contains one of the ids already.
        """
        is_repeated = len({*message_ids}) < len(message_ids)
        if is_repeated or self._id_batches_at(rows).contains_any(message_ids) or self._indexed(external_ids):
            raise sqlite3.IntegrityError("a message with this id is there already")

    def extend(self, rows: int, message_ids: Sequence[str]) -> None:
        """Update the table for appended rows, within their transaction.

        Args:
            rows: number of rows before the append.
            message_ids: the ids of the appended rows, which must not cross the end of a subtree of ``FAN`` rows.
        """
        entries = self._id_batches_at(rows).extend(message_ids)
        if entries:
            self._connection.executemany(_INSERT, entries)

    def reset(self) -> None:
        """Forget the rows that were appended, because their transaction was rolled back."""
        self._id_batches = None

    def fill(self) -> None:
        """Fill an empty table with the entries for the current number of rows."""
        rows = self._rows()
        self._connection.execute(
            f"insert into ids select substr(message_id, 1, {ID_START}), sequence from assignments where sequence <= ?"
            " order by 1, 2",
            (indexed_up_to(rows),),
        )
        self._connection.executemany(_INSERT, self._read_id_batches(rows).indexed_entries())

    def bad_index_entry(self) -> int | None:
        """The sequence of the first entry that is wrong, or missing among the newest; None if all entries match.

        Up to ``indexed_up_to``, this reports wrong entries only. ``Evidence.unindexed_row`` finds missing ones there.
        """
        execute = self._connection.execute
        execute("begin")  # one snapshot, because a node may be writing
        try:
            rows = self._rows()
            all_indexed = indexed_up_to(rows)
            expected = set(self._read_id_batches(rows).indexed_entries())
            found = set(execute("select id_start, sequence from ids where sequence > ?", (all_indexed,)).fetchall())
            if expected != found:
                return min((sequence for _, sequence in expected ^ found if isinstance(sequence, int)), default=0)
            if execute("select count(*) from ids").fetchone() == (all_indexed + len(expected),):
                return None
            return self._first(
                "select ids.sequence from ids left join assignments on assignments.sequence = ids.sequence"
                f" where substr(message_id, 1, {ID_START}) is not id_start order by 1 limit 1"
            )
        finally:
            execute("rollback")

    def _read_newest(self) -> None:
        """Read the ids that the table lacks, and drop those that have entered it."""
        after = self._newest_reads[-1][0] if self._newest_reads else 0
        rows = self._rows()
        all_indexed = indexed_up_to(rows)
        if rows > after:  # one concatenated row: fetching releases and reacquires the interpreter lock per row
            query = """
                select group_concat(message_id) from assignments not indexed
                where sequence > ? and sequence <= ?
            """
            [text] = self._connection.execute(query, (max(after, all_indexed), rows)).fetchone()
            ids = text.split(",") if text else []
            self._newest_reads.append((rows, ids))
            self._newest.update(ids)
        while self._newest_reads and self._newest_reads[0][0] <= all_indexed:
            self._newest.difference_update(self._newest_reads.popleft()[1])

    def _indexed(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the table contains."""
        prefixes: list[str | None] = [message_id[:ID_START] for message_id in message_ids]
        prefixes += [None] * (_power_of_two(len(prefixes)) - len(prefixes))  # few distinct statements to compile
        query = f"""
            select message_id from assignments
            where sequence in (select sequence from ids where id_start in ({",".join("?" * len(prefixes))}))
        """
        return {message_id for [message_id] in self._connection.execute(query, prefixes)}.intersection(message_ids)

    def _id_batches_at(self, rows: int) -> IdBatches:
        if self._id_batches is None or self._id_batches.rows != rows:  # another process may have written since
            self._id_batches = self._read_id_batches(rows)
        return self._id_batches

    def _read_id_batches(self, rows: int) -> IdBatches:
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
    """The smallest power of two that is not smaller; 0 for 0."""
    return 1 << (number - 1).bit_length() if number else 0
