"""Logs whose messages no process evaluates, for tests of the store alone."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import sqlite_utils

from eventstore import Assignment, CommitLog, Head, Message, Sequencer
from eventstore.records import encode_id
from eventstore.sqlite.file_format import APPLICATION_ID
from eventstore.sqlite.rows import COLUMNS
from eventstore.sqlite.schema import migrations


def an_id(name: object) -> str:
    return encode_id(sha256(str(name).encode()).digest())


def message(number: int, *, process: int = 0, data: bytes = b"{}", parent: int | None = None) -> Message:
    return Message(
        id=an_id(f"process {process}" if number == process else f"message {number}"),  # the first starts the process
        sender=an_id("sender"),
        target=an_id(f"process {process}"),
        action="Test",
        tags='[["Action","Test"]]',
        data=data,
        parent=parent,
        envelope=b"signed" if parent is None else None,
    )


def assignments(count: int, *, processes: int = 3, sequencer: Sequencer | None = None) -> list[Assignment]:
    sequencer = sequencer or Sequencer()
    first = sequencer.sequence
    return [
        sequencer.assign(message(first + number, process=(first + number) % processes), 1000 + number)
        for number in range(count)
    ]


def append(log: CommitLog, batch: Sequence[Assignment], *, expected: int) -> Head:
    """Append under a new lease."""
    return log.append(batch, expected=expected, epoch=log.take_lease("a test").epoch)


def write_in_format(number: int, path: Path, newest: Path) -> None:
    """Write the log ``newest`` again, as the version with this newest format wrote it."""
    older = sqlite_utils.Database(path)
    migrations.apply(older, stop_before=[migration.name for migration in migrations.pending(older)][number])
    older.attach("newest", newest)
    short = number == 3
    for table, columns, values in (
        ("assignments", COLUMNS + ", id_start, spawn" * short, COLUMNS + ", substr(message_id, 1, 8), spawn" * short),
        ("tree", "level, number, hash", "*"),
        ("checkpoints", "sequence, note", "*"),
    ):
        older.execute(f"insert into {table} ({columns}) select {values} from newest.{table}")
    older.conn.commit()
    older.execute(f"pragma application_id = {APPLICATION_ID}")
    older.execute(f"pragma user_version = {number}")
    older.close()
