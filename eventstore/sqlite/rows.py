"""What an assignment is as a row of the log's table, and the statements that write and read rows."""

from collections.abc import Iterator, Sequence
from typing import Any

from eventstore.merkle.tiles import FAN
from eventstore.records import Assignment, Message
from eventstore.replay.partitioned import GENESIS, Before
from eventstore.sqlite.message_ids import IS_INDEXED

COLUMNS = (
    "sequence, slot, timestamp, message_id, sender, process, action, tags, data, anchor, parent, envelope,"
    " process_chain, log_chain, output, error"
)
"""A message's fields stand together and in their order, so that a row is read without being taken apart."""
_MESSAGE = slice(3, 12)
_NAMES = COLUMNS.split(", ")
_BEHIND_MESSAGE = slice(12, len(_NAMES))
_BEFORE = slice(len(_NAMES), -1)
_PART_ROWS = 64
"""Rows written at a time. The interpreter lock is let go once per statement: with a row each, a busy event
loop would keep the writer waiting for the lock thousands of times a batch."""

SELECTED = COLUMNS.replace("data", "cast(data as blob)")
"""The columns that ``assignment_of`` is given."""


def _select_share(found_by: str) -> str:
    return f"""
        select {", ".join(f"it.{name}" for name in _NAMES).replace("it.data", "cast(it.data as blob)")},
            before.sequence, before.timestamp, cast(before.log_chain as blob), before.parent, {found_by}
        from assignments it not indexed left join assignments before on before.sequence = it.sequence - 1
        where it.sequence <= ?1 and it.process >= ?2 and it.process < ?3 order by it.sequence
    """


SELECT_PARTITION = _select_share("null")
"""The rows that ``with_row_before`` is given."""
SELECT_INDEXED_PARTITION = _select_share(f"case when it.sequence > ?4 or {IS_INDEXED} then it.spawn end")
"""The same, with what they are found by: by their ids up to a sequence."""


def row_of(assignment: Assignment, spawn: int) -> tuple[Any, ...]:
    """The values of a row, in the order of ``insert_of``; ``spawn`` is the sequence of its process's first message."""
    message = assignment.message
    try:
        data: str | bytes = message.data.decode()  # text is stored as text, so that a person can read it
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


def insert_of(rows: int) -> str:
    """A statement that writes so many rows. If one is refused the whole batch is, so nothing is lost by "or rollback",
    and SQLite need not keep what every page was before the statement: that takes a third of the writer's time.
    """
    columns = [*_NAMES, "spawn"]
    values = ",".join(["(" + ",".join("?" * len(columns)) + ")"] * rows)
    return f"insert or rollback into assignments ({', '.join(columns)}) values {values}"


def parts_of(batch: Sequence[Assignment]) -> Iterator[Sequence[Assignment]]:
    """Parts of a batch that are written at a time. None crosses the end of a subtree: when a hash of the tree is
    written follows from its sequence alone, so the same assignments make the same file however they came in batches.
    """
    start = 0
    while start < len(batch):
        stop = min(start + _PART_ROWS, start + FAN - (batch[start].sequence - 1) % FAN)
        yield batch[start:stop]
        start = stop


def assignment_of(row: tuple[Any, ...]) -> Assignment:
    """The assignment of a row, whatever columns follow."""
    return Assignment(row[0], row[1], row[2], Message(*row[_MESSAGE]), *row[_BEHIND_MESSAGE])


def with_row_before(row: tuple[Any, ...]) -> tuple[Before, int | None, Assignment]:
    """What the row before a row says, what the row is found by, and its assignment."""
    before = row[_BEFORE]
    return before if before[0] is not None else GENESIS, row[-1], assignment_of(row)
