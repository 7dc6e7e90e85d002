"""A forger with the log's file, SQLite, and this project's own code to recompute the chains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from eventstore import Assignment, Message, Sequencer, read_log
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.writer_lock import lock_path
from tests.sqlite_file import execute, loose

Rows = list[Assignment]


def read(path: Path) -> Rows:
    log = read_log(path)
    try:
        return list(log.read())
    finally:
        log.close()


def write(path: Path, rows: Rows) -> None:
    for table in ("assignments", "tree", "ids"):
        execute(path, f"delete from {table}")
    lock_path(path).unlink(missing_ok=True)  # it tells a node how many events were durable before
    log = SqliteLog.open(path)
    with loose(path):
        log._refuse_duplicates = lambda _: None  # type: ignore[method-assign]
        log.append(rows, expected=0, epoch=log.take_lease("forger").epoch)
        log.close()


def forget_checkpoints(path: Path) -> None:
    execute(path, "delete from checkpoints")


def relinked(rows: Rows) -> Rows:
    """The same messages with sequences, slots, parents' sequences and both chains made right again."""
    sequencer, moved, again = Sequencer(), {}, []
    for row in rows:
        message = row.message
        if message.parent is not None:
            message = changed(message, parent=moved.get(message.parent, message.parent))
        new = sequencer.assign(message, row.timestamp)
        moved[row.sequence] = new.sequence
        new.output, new.error = row.output, row.error
        again.append(new)
    return again


def changed(thing: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(thing, **fields)


def place(rows: Rows, action: str, number: int = 0) -> int:
    """Where the nth message of an action stands."""
    return [index for index, row in enumerate(rows) if row.message.action == action][number]


def edit(which: str, /, **fields: Any) -> Callable[[Rows], Rows]:
    """Change fields of a message; what is callable is given the field's value."""

    def forge(rows: Rows) -> Rows:
        index = place(rows, which)
        message = rows[index].message
        values = {name: new(getattr(message, name)) if callable(new) else new for name, new in fields.items()}
        rows[index] = changed(rows[index], message=changed(message, **values))
        return rows

    return forge


def drop(action: str, number: int = 0) -> Callable[[Rows], Rows]:
    def forge(rows: Rows) -> Rows:
        del rows[place(rows, action, number)]
        return rows

    return forge


def swap(one: str, other: str) -> Callable[[Rows], Rows]:
    def forge(rows: Rows) -> Rows:
        first, second = place(rows, one), place(rows, other)
        rows[first], rows[second] = rows[second], rows[first]
        return rows

    return forge


def move(action: str, to: int) -> Callable[[Rows], Rows]:
    def forge(rows: Rows) -> Rows:
        rows.insert(to, rows.pop(place(rows, action)))
        return rows

    return forge


def repeat(action: str) -> Callable[[Rows], Rows]:
    def forge(rows: Rows) -> Rows:
        index = place(rows, action)
        rows.insert(index + 1, rows[index])
        return rows

    return forge


def invent(message: Callable[[Rows], Message], after: str) -> Callable[[Rows], Rows]:
    def forge(rows: Rows) -> Rows:
        index = place(rows, after)
        rows.insert(index + 1, changed(rows[index], message=message(rows), output=None, error=None))
        return rows

    return forge
