"""``mostao upgrade``: brings a log to the newest file format."""

from pathlib import Path

import click

from eventstore import upgrade_log


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
def upgrade(path: Path) -> None:
    """Upgrade LOG to the newest file format.

    Its events, hashes and checkpoints stay unchanged. A node upgrades a log, too, when it opens it.
    """
    old, new, head = upgrade_log(path)
    change = f"already has format {new}" if old == new else f"upgraded from format {old} to format {new}"
    click.echo(f"{path}: {change}; {head.sequence:,} events, log head {head.chain.hex()}")
