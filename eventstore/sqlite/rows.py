"""The mapping between assignments and table rows, and the statements that write and read rows."""

from collections.abc import Iterator, Sequence
from typing import Any

from eventstore.merkle.tiles import FAN
from eventstore.records import Assignment, Message
from eventstore.replay.partitioned import GENESIS_ROW, PrecedingRow
from eventstore.sqlite.message_ids import IS_INDEXED

COLUMNS = (
    "sequence, slot, timestamp, message_id, sender, process, action, tags, data, anchor, parent, envelope,"
    " process_chain, log_chain, output, error"
)
"""The columns of an assignment. A message's fields are adjacent and in order, so a slice of a row is a message."""
_MESSAGE = slice(3, 12)
_NAMES = COLUMNS.split(", ")
_AFTER_MESSAGE = slice(12, len(_NAMES))
_PRECEDING_ROW = slice(len(_NAMES), -1)
_INSERT_ROWS_MAX = 64
"""Rows per insert statement. SQLite releases the interpreter lock once per statement. With one row per statement, a
busy event loop would make the writer wait for the lock thousands of times per batch."""

SELECTED = COLUMNS.replace("data", "cast(data as blob)")
"""The columns that ``assignment_of`` requires."""


def _select_partition(indexed_spawn: str) -> str:
    return f"""
        select {", ".join(f"log_row.{name}" for name in _NAMES).replace("log_row.data", "cast(log_row.data as blob)")},
            preceding.sequence, preceding.timestamp, cast(preceding.log_chain as blob), preceding.parent,
            {indexed_spawn}
        from assignments log_row not indexed left join assignments preceding
            on preceding.sequence = log_row.sequence - 1
        where log_row.sequence <= ?1 and log_row.process >= ?2 and log_row.process < ?3 order by log_row.sequence
    """


SELECT_PARTITION = _select_partition("null")
"""Selects the rows of a partition for ``with_preceding_row``: up to sequence ?1, with ?2 <= process < ?3."""
SELECT_INDEXED_PARTITION = _select_partition(f"case when log_row.sequence > ?4 or {IS_INDEXED} then log_row.spawn end")
"""The same, with the sequence of the process's first message according to the index, or null if the table of ids lacks
the row. Only rows up to sequence ?4 must be in the table."""


def row_of(assignment: Assignment, spawn: int) -> tuple[Any, ...]:
    """The values of a row, in the order of ``insert_statement``.

    ``spawn`` is the sequence of the process's first message.
    """
    message = assignment.message
    try:
        data: str | bytes = message.data.decode()  # text is stored as text, so that people can read it
    except UnicodeDecodeError:
        data = message.data
    return (
        assignment.sequence,
        assignment.slot,
        assignment.timestamp,
        message.id,
        message.sender,
        message.target,
        message.action,
        message.tags,
        data,
        message.anchor,
        message.parent,
        message.envelope,
        assignment.process_chain,
        assignment.log_chain,
        assignment.output,
        assignment.error,
        spawn,
    )


def insert_statement(rows: int) -> str:
    """A statement that inserts so many rows.

    If SQLite refuses one row, the writer refuses the whole batch, so "or rollback" loses nothing. With it, SQLite need
    not save each page as it was before the statement, which takes a third of the writer's time.
    """
    columns = [*_NAMES, "spawn"]
    values = ",".join(["(" + ",".join("?" * len(columns)) + ")"] * rows)
    return f"insert or rollback into assignments ({', '.join(columns)}) values {values}"


def insert_parts(batch: Sequence[Assignment]) -> Iterator[Sequence[Assignment]]:
    """Split a batch into the parts of one insert statement each.

    No part crosses the end of a subtree of ``FAN`` rows. Then the sequence alone determines when a hash of the tree is
    written, so the same assignments make the same file, however they were batched.
    """
    start = 0
    while start < len(batch):
        stop = min(start + _INSERT_ROWS_MAX, start + FAN - (batch[start].sequence - 1) % FAN)
        yield batch[start:stop]
        start = stop


def assignment_of(row: tuple[Any, ...]) -> Assignment:
    """The assignment in the first columns of a row."""
    return Assignment(row[0], row[1], row[2], Message(*row[_MESSAGE]), *row[_AFTER_MESSAGE])


def with_preceding_row(row: tuple[Any, ...]) -> tuple[PrecedingRow, int | None, Assignment]:
    """The preceding row, the sequence of the process's first message according to the index, and the assignment."""
    preceding = row[_PRECEDING_ROW]
    return preceding if preceding[0] is not None else GENESIS_ROW, row[-1], assignment_of(row)
