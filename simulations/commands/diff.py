"""``mostao diff``: what changed in a process between two points of a log."""

import difflib
from pathlib import Path

import click
import msgspec

from actors.replay import Replayed
from simulations.commands.point import POINT, resolved
from simulations.commands.replay import find_process, replay_with_progress


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.argument("a", metavar="A", type=POINT)
@click.argument("b", metavar="B", type=POINT)
@click.option("--process", metavar="ID-or-@HANDLE", required=True, help="Whose state to compare.")
def diff(path: Path, a: int, b: int, process: str) -> None:
    """Show what changed in a process of LOG between the points A and B, each a sequence or a time."""
    later = replay_with_progress(path, at=resolved(path, b))
    pid = find_process(later, process)
    earlier = replay_with_progress(path, at=resolved(path, a))
    before, after = (f"{process} at {name} ({world.events:,} events)" for name, world in (("A", earlier), ("B", later)))
    for line in difflib.unified_diff(_lines(earlier, pid), _lines(later, pid), before, after, lineterm=""):
        click.echo(line)


def _lines(world: Replayed, pid: str) -> list[str]:
    """A state, a line for each of its values; nothing for a process that is not there yet."""
    return msgspec.json.format(world.state(pid)).decode().splitlines() if pid in world.world.entries else []
