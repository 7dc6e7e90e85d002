"""When which message ids enter a log's table of ids. ``eventstore.sqlite.message_ids`` explains the table.

An id batch is the ids of a range of rows. The length of each batch, and when each of its ids enters the table, depends
only on the number of rows. So the same assignments make the same file, however they were batched in appends.
"""

from collections.abc import Iterable, Sequence

from eventstore.merkle.tiles import FAN
from eventstore.records import ID_START

ID_BATCH_ROWS_MAX = 65_536
"""Rows of the longest id batch. A writer keeps the ids of two batches in memory, about 20 MB."""
_ID_BATCHES_MIN = 32
"""Long logs have at least this many id batches. Then the ids of a batch are close to each other in the table."""

Entry = tuple[str, int]
"""A row of the table: the first ``ID_START`` characters of an id, and its message's sequence."""


def id_batch_of(position: int) -> tuple[int, int]:
    """The id batch that a row belongs to.

    Args:
        position: number of rows before the row.

    Returns:
        The number of rows before the batch, and the batch's length.
    """
    length = min(max(FAN, (1 << position.bit_length()) // (2 * _ID_BATCHES_MIN)), ID_BATCH_ROWS_MAX)
    return position - position % length, length


def indexed_up_to(rows: int) -> int:
    """The sequence up to which the table of a log with so many rows contains every id."""
    start, _ = id_batch_of(rows)
    return id_batch_of(start - 1)[0] if start else 0


class IdBatches:
    """The two newest id batches of a log: the current one, which still grows, and the previous one.

    Each time the rows complete a subtree of ``FAN`` rows in the current batch, an equal part of the previous batch
    enters the table, in the order of the ids.

    Attributes:
        rows: number of rows in the log.
    """

    def __init__(self, rows: int, newest: Iterable[tuple[str, int]]) -> None:
        """Continue at the end of a log.

        Args:
            rows: number of rows in the log.
            newest: id and sequence of each row after ``indexed_up_to(rows)``.
        """
        self.rows = rows
        self._start, self._length = id_batch_of(rows)
        self._current = dict(newest)
        self._previous = {
            message_id: sequence for message_id, sequence in self._current.items() if sequence <= self._start
        }
        for message_id in self._previous:
            del self._current[message_id]
        self._previous_in_order = sorted(self._previous)

    def contains_any(self, message_ids: Sequence[str]) -> bool:
        """Whether one of these ids is in the two batches."""
        return not (self._current.keys().isdisjoint(message_ids) and self._previous.keys().isdisjoint(message_ids))

    def extend(self, message_ids: Sequence[str]) -> list[Entry]:
        """Append the ids of the next rows. They must not cross the end of a subtree of ``FAN`` rows.

        Returns:
            The entries that enter the table with these rows.
        """
        self._current.update(zip(message_ids, range(self.rows + 1, self.rows + 1 + len(message_ids)), strict=True))
        self.rows += len(message_ids)
        entries = self._entries(-1) if self.rows % FAN == 0 else []
        if self.rows == self._start + self._length:
            self._previous, self._current, self._previous_in_order = self._current, {}, sorted(self._current)
            self._start, self._length = id_batch_of(self.rows)
        return entries

    def indexed_entries(self) -> list[Entry]:
        """The entries of the previous batch that are in the table."""
        return self._entries(0)

    def _entries(self, first: int) -> list[Entry]:
        """The entries of the previous batch that enter the table with complete subtrees of the current batch.

        Args:
            first: the first of these subtrees; -1 for the last one only.
        """
        complete = range((self.rows - self._start) // FAN)[first:]
        subtrees, ids = self._length // FAN, self._previous_in_order
        part = ids[len(ids) * complete.start // subtrees : len(ids) * complete.stop // subtrees]
        return [(message_id[:ID_START], self._previous[message_id]) for message_id in part]
