"""``mostao upgrade``: a log of an older version, for this one."""

from pathlib import Path

import click

from eventstore import upgrade_log


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
def upgrade(path: Path) -> None:
    """Bring LOG from an older format to the newest. Its events, hashes and checkpoints stay as they are.

    A node does that too when it opens the log; this does nothing else.
    """
    old, new, head = upgrade_log(path)
    what = f"already has format {new}" if old == new else f"upgraded from format {old} to format {new}"
    click.echo(f"{path}: {what}; {head.sequence:,} events, log head {head.chain.hex()}")
