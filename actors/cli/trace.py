"""``mostao trace``: the tree of messages that a message caused."""

from collections.abc import Iterator

import click

from actors.cli.id_argument import CommandWithId, find_message
from actors.cli.labels import Labels
from actors.cli.log_location import LOG_LOCATION
from actors.cli.texts import outcome_text, time_text
from eventstore import Assignment, LogFile, read_log
from eventstore.engines import Location


@click.command(cls=CommandWithId)
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.argument("message", metavar="MESSAGE-ID")
def trace(path: Location, message: str) -> None:
    """Show the tree of messages that a message caused.

    MESSAGE-ID is a message's id or its sequence; `mostao log` lists them.
    """
    reader = read_log(path)
    try:
        for line in _tree(reader, find_message(reader, message)):
            click.echo(line)
    finally:
        reader.close()


def _tree(reader: LogFile, root: Assignment) -> Iterator[str]:
    """The lines of the tree below a message, with ANSI colors; ``click.echo`` removes them in files and pipes."""
    labels = Labels(reader)
    waiting = [(root, "", "")]
    while waiting:
        assignment, first_indent, indent = waiting.pop()
        first, *others = _describe(reader, assignment, labels)
        yield first_indent + first
        for line in others:
            yield indent + line
        children = [(child, f"{indent}├── ", f"{indent}│   ") for child in reader.children(assignment.sequence)]
        if children:
            children[-1] = (children[-1][0], f"{indent}└── ", f"{indent}    ")
        waiting += reversed(children)


def _describe(reader: LogFile, assignment: Assignment, labels: Labels) -> list[str]:
    message, at = assignment.message, assignment.sequence
    for address in (message.sender, message.target):
        spawn = next(reader.read_process(address), None)
        if spawn is not None:
            labels.add(spawn)
    place = f"#{assignment.sequence} slot {assignment.slot} {time_text(assignment.timestamp)}"
    action, place = click.style(message.action or "message", bold=True), click.style(place, dim=True)
    lines = [f"{action} {labels.of(message.sender, at=at)} → {labels.of(message.target, at=at)}  {place}"]
    lines.append(click.style(message.id, dim=True))
    outcome = outcome_text(assignment)
    if outcome:
        color = "green" if assignment.error is None else "red"
        lines += [click.style(line, fg=color) for line in f"⇒ {outcome}".split("\n")]
    return lines
