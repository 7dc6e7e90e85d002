"""``mostao checkpoint``: a signed statement of the log's length and content."""

from pathlib import Path

import click

from actors.cli.log_location import LOG_LOCATION
from actors.cli.note_files import load_key
from actors.evidence.checkpoints import checkpoint_of, key_of, sign
from eventstore import read_log
from eventstore.engines import Location


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option(
    "--key", "file", type=click.Path(path_type=Path), metavar="FILE", help="The node's key.  [default: LOG.key]"
)
@click.option("--verifier-key", is_flag=True, help="Print the public key that checkpoints of LOG are verified with.")
def checkpoint(path: Location, file: Path | None, verifier_key: bool) -> None:
    """Print a signed checkpoint of LOG to keep elsewhere.

    It states the log's length and the root of its Merkle tree, signed by its node (C2SP signed note). With it,
    `mostao audit LOG --checkpoint FILE` detects a log that was rewritten or cut short.

    \b
    Example:
      mostao checkpoint people.db > kept.txt
    """
    log = read_log(path)
    try:
        key = key_of(log)
        if verifier_key:
            click.echo(str(key))
        else:
            click.echo(sign(checkpoint_of(log, key), load_key(path, file, key)), nl=False)
    finally:
        log.close()
