"""``mostao diff``: how a process's state differs between two positions of a log."""

import difflib

import click
import msgspec

from actors.audit.replay import Earlier
from actors.cli.log_location import LOG_LOCATION
from actors.cli.log_position import LOG_POSITION, resolve_sequence
from actors.cli.replay import events_of, find_process, replay_with_progress, state_of
from eventstore.engines import Location


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.argument("a", metavar="A", type=LOG_POSITION)
@click.argument("b", metavar="B", type=LOG_POSITION)
@click.option("--process", metavar="ID-or-@HANDLE", required=True, help="The process to compare.")
def diff(path: Location, a: int, b: int, process: str) -> None:
    """Show how a process's state differs between two positions.

    A and B are positions in LOG, each a sequence or a time.

    \b
    Examples:
      mostao diff people.db 100 200 --process @alice
      mostao diff people.db 2026-01-01T08:00 2026-01-01T09:00 --process @alice
    """
    points = [resolve_sequence(path, point) or 0 for point in (a, b)]
    if max(points) > (events := events_of(path)):
        raise click.BadParameter(
            f"the log ends at sequence {events}", param_hint=f"'{'AB'[points.index(max(points))]}'"
        )
    earlier = Earlier(min(points))
    later = replay_with_progress(path, at=max(points), earlier=earlier)
    pid = find_process(later, process)
    states = [earlier.state(pid), state_of(later, process, pid)]
    if points[0] > points[1]:
        states.reverse()
    before, after = (f"{process} at {name} ({sequence:,} events)" for name, sequence in zip("AB", points, strict=True))
    before_lines, after_lines = map(_lines, states)
    if before_lines == after_lines:
        places = (f"{name} ({sequence:,} events)" for name, sequence in zip("AB", points, strict=True))
        click.echo(f"{process} is the same at {' and '.join(places)}")
    for line in difflib.unified_diff(before_lines, after_lines, before, after, lineterm=""):
        click.echo(line)


def _lines(state: bytes | None) -> list[str]:
    """A state as indented lines; none if the process does not exist yet."""
    return [] if state is None else msgspec.json.format(state).decode().splitlines()
