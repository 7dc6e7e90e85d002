"""``mostao diff``: what changed in a process between two points of a log."""

import difflib
from pathlib import Path

import click
import msgspec

from actors.audit.replay import Earlier
from actors.cli.log_position import LOG_POSITION, resolve_sequence
from actors.cli.replay import find_process, replay_with_progress


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.argument("a", metavar="A", type=LOG_POSITION)
@click.argument("b", metavar="B", type=LOG_POSITION)
@click.option("--process", metavar="ID-or-@HANDLE", required=True, help="Whose state to compare.")
def diff(path: Path, a: int, b: int, process: str) -> None:
    """Show what changed in a process of LOG between the points A and B, each a sequence or a time."""
    points = [resolve_sequence(path, point) or 0 for point in (a, b)]
    earlier = Earlier(min(points))
    later = replay_with_progress(path, at=max(points), earlier=earlier)
    pid = find_process(later, process)
    states = [earlier.state(pid), later.state(pid)]
    if points[0] > points[1]:
        states.reverse()
    before, after = (f"{process} at {name} ({events:,} events)" for name, events in zip("AB", points, strict=True))
    one, other = map(_lines, states)
    for line in difflib.unified_diff(one, other, before, after, lineterm=""):
        click.echo(line)


def _lines(state: bytes | None) -> list[str]:
    """A state, a line for each of its values; nothing for a process that is not there yet."""
    return [] if state is None else msgspec.json.format(state).decode().splitlines()
