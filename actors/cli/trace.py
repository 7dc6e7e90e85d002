"""``mostao trace``: the tree of messages that a message caused."""

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from actors.cli.id_argument import CommandWithId
from actors.cli.labels import Labels, outcome_text, time_text
from eventstore import Assignment, LogFile, read_log

_SEQUENCE_MAX = 2**63 - 1
_WIDTH_ELSEWHERE = 100_000


@click.command(cls=CommandWithId)
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.argument("message", metavar="MESSAGE-ID")
def trace(path: Path, message: str) -> None:
    """Show the tree of messages that a message caused.

    MESSAGE-ID is a message's id or its sequence; `mostao log` lists them.
    """
    reader = read_log(path)
    try:
        found = find_message(reader, message)
        labels = Labels()
        tree = _branch(reader, found, labels)
    finally:
        reader.close()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_ELSEWHERE  # do not wrap lines in files and pipes
    console.print(tree)


def find_message(reader: LogFile, message: str) -> Assignment:
    """The assignment with a message id or a sequence.

    Raises:
        BadParameter: there is none.
    """
    if message.isascii() and message.isdecimal():
        sequence = min(int(message[:20]), _SEQUENCE_MAX)
        found = next(reader.read(after=sequence - 1, until=sequence), None)
    else:
        found = reader.find(message)
    if found is None:
        raise click.BadParameter(
            f"the log has no message {message!r}; `mostao log` lists them", param_hint="'MESSAGE-ID'"
        )
    return found


def _branch(reader: LogFile, root: Assignment, labels: Labels) -> Tree:
    tree = Tree(_describe(reader, root, labels))
    open_branches = [(root, tree)]
    while open_branches:
        assignment, branch = open_branches.pop()
        for child in reader.children(assignment.sequence):
            open_branches.append((child, branch.add(_describe(reader, child, labels))))
    return tree


def _describe(reader: LogFile, assignment: Assignment, labels: Labels) -> Text:
    message = assignment.message
    for address in (message.sender, message.target):
        spawn = next(reader.read_process(address), None)
        if spawn is not None:
            labels.add(spawn)
    text = Text(f"{message.action or 'message'} ", style="bold")
    text.append(f"{labels.of(message.sender)} → {labels.of(message.target)}", style="default not bold")
    text.append(
        f"  #{assignment.sequence} slot {assignment.slot} {time_text(assignment.timestamp)}", style="dim not bold"
    )
    text.append(f"\n{message.id}", style="dim not bold")
    outcome = outcome_text(assignment)
    if outcome:
        text.append(f"\n⇒ {outcome}", style="not bold " + ("red" if assignment.error is not None else "green"))
    return text
