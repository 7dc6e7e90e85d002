"""``mostao upgrade``: brings a log to the newest file format."""

import click

from actors.cli.log_location import LOG_LOCATION
from eventstore import upgrade_log
from eventstore.engines import Location


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
def upgrade(path: Location) -> None:
    """Upgrade LOG to the newest file format.

    Its events, hashes and checkpoints stay unchanged. A node upgrades a log, too, when it opens it.
    """
    old, new, head = upgrade_log(path)
    change = f"already has format {new}" if old == new else f"upgraded from format {old} to format {new}"
    click.echo(f"{path}: {change}; {head.sequence:,} events, log head {head.chain.hex()}")
