"""``mostao upgrade``: a log of an older version, for this one."""

from pathlib import Path

import click

from eventstore.sqlite.file_format import FORMAT
from eventstore.sqlite.upgrade import upgrade as upgrade_log


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
def upgrade(path: Path) -> None:
    """Bring LOG from an older format to the newest. Its events, hashes and checkpoints stay as they are.

    A node does that too when it opens the log; this does nothing else.
    """
    had, head = upgrade_log(path)
    what = f"was of format {FORMAT} already" if had == FORMAT else f"brought from format {had} to format {FORMAT}"
    click.echo(f"{path}: {what}; {head.sequence:,} events, log head {head.chain.hex()}")
