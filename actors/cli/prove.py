"""``mostao prove``: proofs that can be verified without the log."""

from typing import TextIO

import click
import msgspec

from actors.cli.id_argument import CommandWithId, find_message
from actors.cli.log_location import LOG_LOCATION
from actors.cli.note_files import newest_note, read_note
from actors.evidence.checkpoints import key_of
from actors.evidence.proofs import prove_consistency, prove_inclusion
from eventstore import read_log
from eventstore.engines import Location


@click.command(cls=CommandWithId)
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.argument("message", metavar="[MESSAGE-ID]", required=False)
@click.option("--since", type=click.File(), metavar="FILE", help="Prove that LOG only grew since this checkpoint.")
@click.option(
    "--checkpoint",
    "against",
    type=click.File(),
    metavar="FILE",
    help="Prove it for this checkpoint.  [default: one signed now with LOG.key, or the newest in LOG]",
)
def prove(path: Location, message: str | None, since: TextIO | None, against: TextIO | None) -> None:
    """Prove that a message is in LOG, or that LOG only grew.

    MESSAGE-ID is a message's id or its sequence. The proof is printed as JSON; `mostao verify` checks it without LOG.

    \b
    Examples:
      mostao prove people.db 100 > proof.json
      mostao prove people.db --since kept.txt > grown.json
    """
    if (message is None) == (since is None):
        raise click.UsageError("name a MESSAGE-ID, or a checkpoint with --since")
    log = read_log(path)
    try:
        key = key_of(log)
        note = newest_note(log, path, key) if against is None else read_note(against)
        if since is not None:
            click.echo(msgspec.json.encode(prove_consistency(log, read_note(since), note, key)))
        else:
            assert message is not None
            click.echo(msgspec.json.encode(prove_inclusion(log, find_message(log, message), note, key)))
    finally:
        log.close()
