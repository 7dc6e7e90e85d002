"""``LogIndex`` on the log file's tables."""

from collections.abc import Iterator, Sequence

from eventstore.records import Assignment
from eventstore.sequencer import ProcessHead
from eventstore.sqlite.connect import UNREADABLE
from eventstore.sqlite.message_ids import IdTable
from eventstore.sqlite.row_reader import SPAWN, RowReader


class SqliteIndex(RowReader):
    """The lookups of a ``SqliteLog``."""

    _ids: IdTable

    def find(self, message_id: str) -> Assignment | None:
        """See ``LogIndex.find``."""
        try:
            sequence = self._ids.sequence_of(message_id)
        except UNREADABLE as error:
            raise self._damage(error, "ids") from None
        return None if sequence is None else next(self._select("where sequence = ?", (sequence,)))

    def existing_ids(self, message_ids: Sequence[str]) -> set[str]:
        """See ``LogIndex.existing_ids``."""
        try:
            return self._ids.existing_ids(message_ids)
        except UNREADABLE as error:
            raise self._damage(error, "ids") from None

    def id_prefixes(self) -> Iterator[list[str]]:
        """See ``LogIndex.id_prefixes``."""
        try:
            yield from self._ids.prefixes()
        except UNREADABLE as error:
            raise self._damage(error, "ids") from None

    def children(self, sequence: int) -> list[Assignment]:
        """See ``LogIndex.children``."""
        return list(self._select("where parent = ? order by sequence", (sequence,)))

    def processes(self) -> Iterator[str]:
        """See ``LogIndex.processes``."""
        query = "select process from assignments where slot = 0 order by sequence"
        return (process for [process] in self._rows(query))

    def process_head(self, process: str, *, until: int) -> ProcessHead | None:
        """See ``LogIndex.process_head``."""
        query = (
            f"select slot, process_chain, log_chain from assignments where spawn = {SPAWN} and sequence <= ?2"
            " order by slot desc limit 1"
        )
        row = self._first(query, (process, until))
        return ProcessHead(*row) if row else None

    def read_process(self, process: str, *, from_slot: int = 0, limit: int | None = None) -> Iterator[Assignment]:
        """See ``LogIndex.read_process``."""
        return self._select(
            f"where spawn = {SPAWN} and slot >= ?2 order by slot limit ?3",
            (process, from_slot, -1 if limit is None else limit),
        )

    def sequence_of(self, process: str, slot: int, *, assignment_id: bytes | None = None) -> int | None:
        """See ``LogIndex.sequence_of``."""
        query = f"select sequence, log_chain from assignments where spawn = {SPAWN} and slot = ?2"
        row = self._first(query, (process, slot))
        return int(row[0]) if row and assignment_id in (None, row[1]) else None

    def payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        """See ``LogIndex.payloads``."""
        placeholders = ",".join("?" * len(slots))
        query = f"select slot, cast(data as blob) from assignments where spawn = {SPAWN} and slot in ({placeholders})"
        data = dict(self._rows(query, (process, *slots)))
        return [data[slot] for slot in slots]
