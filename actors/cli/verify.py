"""``mostao verify``: verifies a proof without the log."""

from typing import BinaryIO

import click

from actors.cli.labels import time_text
from actors.evidence.checkpoints import NoteInvalid, VerifierKey
from actors.evidence.proofs import PROOF_BYTES_MAX, Proven, check, read_proof
from eventstore.merkle.rfc9162 import ProofInvalid

EXIT_FINDING = 1


@click.command()
@click.argument("file", metavar="PROOF", type=click.File("rb"))
@click.option(
    "--key", "key_text", metavar="KEY", help="The verifier key you trust, from mostao checkpoint LOG --verifier-key."
)
@click.pass_context
def verify(context: click.Context, file: BinaryIO, key_text: str | None) -> None:
    """Verify a proof without the log.

    PROOF is a file that `mostao prove` wrote. Exit code 0 if the proof is valid, 1 if it is not.
    """
    try:
        proof = read_proof(file.read(PROOF_BYTES_MAX + 1))
        key = None if key_text is None else VerifierKey.parse(key_text)
    except (ProofInvalid, NoteInvalid) as error:
        raise click.UsageError(str(error)) from None
    try:
        proven = check(proof, key=key)
    except (ProofInvalid, NoteInvalid) as finding:
        click.echo(f"NOT PROVEN: {finding}", err=True)
        context.exit(EXIT_FINDING)
    click.echo(_text(proven))
    if key is None:
        click.echo("The key is from the proof itself: compare it with one that you trust, or pass that one with --key.")


def _text(proven: Proven) -> str:
    now, older, message = proven.checkpoint, proven.older, proven.message
    if older is not None:
        what = f"the log of {now.size:,} events begins with the log of {older.size:,} events: nothing in it was changed"
    else:
        assert message is not None
        signed = "signed by its sender, " if message.parent is None else ""
        what = (
            f"the message is event {proven.sequence:,} of the log of {now.size:,} events, {signed}unchanged\n"
            f"  message   {message.id}\n"
            f"  from      {message.sender}\n"
            f"  to        {message.target}\n"
            f"  action    {message.action}\n"
            f"  time      {time_text(proven.timestamp)}"
        )
    return f"PROVEN: {what}\n  log       {now.origin}\n  root      {now.root.hex()}\n  key       {proven.key}"
