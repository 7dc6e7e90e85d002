"""Which ids are in a log's table of ids when, and which come next; see ``eventstore.sqlite.message_ids``.

How long a chunk is, and when which of its ids go into the table, follows from the number of rows alone, so that the
same assignments make the same file however they came in batches.
"""

from collections.abc import Iterable, Sequence

from eventstore.merkle.tiles import FAN
from eventstore.records import ID_START

CHUNK_MAX = 65_536
"""Rows of the longest chunk. A writer keeps the ids of two in memory, some 20 MB."""
_LOG_CHUNKS = 32
"""A log has about so many chunks or more: then a chunk's ids stand close enough to one another in the table."""

Entry = tuple[str, int]
"""How an id begins, and its message's sequence: a row of the table."""


def id_batch_of(position: int) -> tuple[int, int]:
    """The chunk that a row belongs to.

    Args:
        position: rows before it.

    Returns:
        Rows before the chunk, and its length.
    """
    length = min(max(FAN, (1 << position.bit_length()) // (2 * _LOG_CHUNKS)), CHUNK_MAX)
    return position - position % length, length


def indexed_up_to(rows: int) -> int:
    """Sequence up to which every id is in the table of a log with so many rows."""
    start, _ = id_batch_of(rows)
    return id_batch_of(start - 1)[0] if start else 0


class IdBatches:
    """Which ids go into the table next."""

    def __init__(self, rows: int, newest: Iterable[tuple[str, int]]) -> None:
        """Stand at the end of a log.

        Args:
            rows: how many it has.
            newest: id and sequence of each behind ``indexed_up_to``.
        """
        self.rows = rows
        self._start, self._length = id_batch_of(rows)
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
        due = self._part(-1) if self.rows % FAN == 0 else []
        if self.rows == self._start + self._length:
            self._before, self._newest, self._order = self._newest, {}, sorted(self._newest)
            self._start, self._length = id_batch_of(self.rows)
        return due

    def filed(self) -> list[Entry]:
        """What is in the table of the chunk before this one."""
        return self._part(0)

    def _part(self, start: int) -> list[Entry]:
        """What goes into the table, of the chunk before, with those subtrees of this one that are complete.

        Args:
            start: from which of these on; -1 for the last one alone.
        """
        complete = range((self.rows - self._start) // FAN)[start:]
        of = self._length // FAN
        part = self._order[len(self._order) * complete.start // of : len(self._order) * complete.stop // of]
        return [(one[:ID_START], self._before[one]) for one in part]
