"""``mostao log``: lists the messages of a log."""

from collections.abc import Iterator

import click
import msgspec

from actors.cli.labels import Labels
from actors.cli.log_location import LOG_LOCATION
from actors.cli.log_position import LOG_POSITION
from actors.cli.replay import find_process, no_process, replay_with_progress
from actors.cli.texts import outcome_text, time_text
from actors.protocol.canonical_json import decode
from eventstore import Assignment, LogFile, read_log
from eventstore.engines import Location

_TEXT_MAX = 100


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--process", metavar="ID-or-@HANDLE", help="Only messages to this process.")
@click.option("--sender", metavar="ADDRESS-or-@HANDLE", help="Only messages from this wallet or process.")
@click.option("--action", metavar="NAME", help="Only messages with this action.")
@click.option("--from", "since", type=LOG_POSITION, metavar="SEQUENCE-or-TIME", help="Only messages from here on.")
@click.option("--to", "until", type=LOG_POSITION, metavar="SEQUENCE-or-TIME", help="Only messages up to here.")
@click.option("--refused", is_flag=True, help="Only messages that were refused.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, uncut.")
def log(
    path: Location,
    process: str | None,
    sender: str | None,
    action: str | None,
    since: int | None,
    until: int | None,
    refused: bool,
    as_json: bool,
) -> None:
    """List the messages of LOG.

    \b
    Examples:
      mostao log people.db --process @alice --refused
      mostao log people.db --from 2026-01-01T08:00 --to 2026-01-01T09:00 --json
    """
    if (process or "").startswith("@") or (sender or "").startswith("@"):
        replayed = replay_with_progress(path)
        process = find_process(replayed, process) if process and process.startswith("@") else process
        if sender and sender.startswith("@"):
            sender = find_process(replayed, sender, option="--sender")
    reader = read_log(path, excerpt=True)
    try:
        if process is not None and reader.sequence_of(process, 0) is None:
            raise no_process(process)
        labels = Labels(reader)
        for assignment in _span(reader, labels, since, until):
            message = assignment.message
            if (
                process in (None, assignment.process)
                and sender in (None, message.sender)
                and action in (None, message.action)
                and not (refused and assignment.error is None)
            ):
                click.echo(_object(assignment) if as_json else _line(assignment, labels))
    finally:
        reader.close()


def _span(reader: LogFile, labels: Labels, since: int | None, until: int | None) -> Iterator[Assignment]:
    for assignment in reader.read():
        labels.add(assignment)
        if until is not None and (assignment.sequence > until if until >= 0 else assignment.timestamp > -until):
            return
        if since is None or (assignment.sequence >= since if since >= 0 else assignment.timestamp >= -since):
            yield assignment


def _line(assignment: Assignment, labels: Labels) -> str:
    message, at = assignment.message, assignment.sequence
    route = f"{labels.of(message.sender, at=at)} → {labels.of(message.target, at=at)}"
    data = _cut(message.data.decode(errors="replace"))
    outcome = _cut(outcome_text(assignment))
    position = f"{assignment.sequence:>7}  {time_text(assignment.timestamp)}"
    return f"{position}  {route}  {message.action}  {data}  ⇒ {outcome}".rstrip(" ⇒")


def _object(assignment: Assignment) -> bytes:
    message = assignment.message
    return msgspec.json.encode(
        {
            "sequence": assignment.sequence,
            "process": assignment.process,
            "slot": assignment.slot,
            "timestamp": assignment.timestamp,
            "message_id": message.id,
            "sender": message.sender,
            "action": message.action,
            "parent": message.parent,
            "tags": decode(message.tags.encode()),
            "data": message.data.decode(errors="replace"),
            "output": assignment.output,
            "error": assignment.error,
        }
    )


def _cut(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _TEXT_MAX else line[: _TEXT_MAX - 1] + "…"
