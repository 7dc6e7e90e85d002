"""``mostao upgrade``: brings a log to the newest file format."""

import click

from actors.cli.log_location import LOG_LOCATION
from eventstore import upgrade_log
from eventstore.engines import Location


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--accept-loss", is_flag=True, help="Continue LOG without acknowledged events that its storage lost.")
def upgrade(path: Location, accept_loss: bool) -> None:
    """Upgrade LOG to the newest file format.

    Its events, hashes and checkpoints stay unchanged. A node upgrades a log, too, when it opens it.
    """
    old, new, head = upgrade_log(path, accept_loss=accept_loss)
    change = f"already has format {new}" if old == new else f"upgraded from format {old} to format {new}"
    click.echo(f"{path}: {change}; {head.sequence:,} events, log head {head.chain.hex()}")
