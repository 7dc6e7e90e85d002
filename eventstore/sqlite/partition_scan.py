"""``PartitionScan`` on the log file's tables."""

from collections.abc import Iterator

from eventstore.records import Assignment
from eventstore.replay.partitioned import LogTail, Partition, PrecedingRow
from eventstore.sqlite.id_batches import indexed_up_to
from eventstore.sqlite.row_reader import SPAWN, RowReader
from eventstore.sqlite.rows import SELECT_INDEXED_PARTITION, SELECT_PARTITION, with_preceding_row


class SqlitePartitionScan(RowReader):
    """What a parallel replay reads of a ``SqliteLog``."""

    def read_partition(
        self, partition: Partition, *, until: int, check_index: bool = False
    ) -> Iterator[tuple[PrecedingRow, int | None, Assignment]]:
        """See ``PartitionScan.read_partition``."""
        if check_index:
            rows = self._rows(SELECT_INDEXED_PARTITION, (until, *partition, indexed_up_to(until)))
        else:
            rows = self._rows(SELECT_PARTITION, (until, *partition))
        return map(with_preceding_row, rows)

    def sample(self, rows: int, *, until: int) -> list[str]:
        """See ``PartitionScan.sample``."""
        query = """
            with recursive sampled(sequence) as (
                select ?1 where ?1 <= ?2 union all select sequence + ?1 from sampled where sequence + ?1 <= ?2
            ) select cast(process as blob) from sampled join assignments using (sequence)
        """
        processes = self._rows(query, (max(1, until // rows), until))
        return [process.decode(errors="ignore") for [process] in processes]

    def first_of_run(self, sequence: int) -> int:
        """See ``PartitionScan.first_of_run``."""
        query = """
            select sequence from assignments not indexed where sequence < ?1
            and parent is not (select parent from assignments where sequence = ?1) order by sequence desc limit 1
        """
        row = self._first(query, (sequence,))
        return int(row[0]) + 1 if row else 1

    def tail(self, until: int) -> LogTail:
        """See ``PartitionScan.tail``."""
        query = "select {} from assignments not indexed where sequence <= ? and {} order by sequence desc limit 1"
        external = self._first(query.format("sequence", "parent is null"), (until,))
        internal = self._first(query.format("parent", "parent is not null"), (until,))
        return LogTail(external[0] if external else 0, internal[0] if internal else 0)

    def exists_from(self, process: str) -> int | None:
        """See ``PartitionScan.exists_from``."""
        query = f"select coalesce(parent, sequence) from assignments where sequence = {SPAWN}"
        row = self._first(query, (process,))
        return int(row[0]) if row else None
