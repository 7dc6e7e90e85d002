"""``mostao verify``: verifies a proof without the log."""

from collections.abc import Sequence
from typing import BinaryIO, TextIO

import click

from actors.cli.note_files import read_note
from actors.cli.texts import time_text
from actors.cli.witness_options import LOG_KEY_TEXT, WITNESS_KEY_TEXT
from actors.evidence.checkpoints import NoteInvalid, VerifierKey
from actors.evidence.cosignatures import Cosignature, cosignatures_of
from actors.evidence.proofs import (
    PROOF_BYTES_MAX,
    Proof,
    Proven,
    check,
    check_with_checkpoint,
    note_of,
    read_proof,
)
from eventstore.merkle.rfc9162 import ProofInvalid

EXIT_FINDING = 1


@click.command()
@click.argument("file", metavar="PROOF", type=click.File("rb"))
@click.option(
    "--key",
    type=LOG_KEY_TEXT,
    metavar="KEY",
    help="The verifier key of the log, which mostao checkpoint LOG --verifier-key prints.",
)
@click.option(
    "--checkpoint",
    "kept",
    type=click.File(),
    metavar="FILE",
    help="A checkpoint that you kept, which the proof has to lead to.",
)
@click.option(
    "--witness-key",
    "witness_keys",
    type=WITNESS_KEY_TEXT,
    multiple=True,
    metavar="KEY",
    help="A witness's verifier key: it has to have cosigned the checkpoint in PROOF. Repeatable: one of them.",
)
@click.pass_context
def verify(
    context: click.Context,
    file: BinaryIO,
    key: VerifierKey | None,
    kept: TextIO | None,
    witness_keys: tuple[VerifierKey, ...],
) -> None:
    """Verify a proof without the log.

    PROOF is a file that `mostao prove` wrote. The command needs what you trust: the verifier key of the log, or a
    checkpoint that you kept. Exit code 0 if the proof is valid, 1 if it is not, 2 if both are missing.

    \b
    Examples:
      mostao verify proof.json --key "$(cat people.vkey)"
      mostao verify grown.json --checkpoint kept.txt
    """
    try:
        proof = read_proof(file.read(PROOF_BYTES_MAX + 1))
    except ProofInvalid as error:
        raise click.UsageError(str(error)) from None
    if key is None and kept is None:
        raise click.UsageError(
            "what you trust is missing: pass the log's verifier key with --key (mostao checkpoint LOG --verifier-key"
            " prints it), or a checkpoint that you kept with --checkpoint. The key in the proof is no evidence, because"
            " a forger puts in their own"
        )
    note = None if kept is None else read_note(kept)
    try:
        proven = _proven(proof, key, note)
        cosignatures = cosignatures_of(note_of(proof), witness_keys)
        if witness_keys and not cosignatures:
            raise NoteInvalid(f"the checkpoint is not cosigned by {' or '.join(each.name for each in witness_keys)}")
    except (ProofInvalid, NoteInvalid) as finding:
        click.echo(f"NOT PROVEN: {finding}", err=True)
        context.exit(EXIT_FINDING)
    click.echo(_text(proven, cosignatures))


def _proven(proof: Proof, key: VerifierKey | None, note: str | None) -> Proven:
    """Check a proof with a key, with a kept checkpoint, or with both."""
    if note is not None:
        return check_with_checkpoint(proof, note, key=key)
    assert key is not None
    return check(proof, key=key)


def _text(proven: Proven, cosignatures: Sequence[Cosignature]) -> str:
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
    lines = [
        f"PROVEN: {what}",
        f"  log       {now.origin}",
        f"  root      {now.root.hex()}",
        f"  key       {proven.key}",
    ]
    lines += [f"  cosigned  {each.key.name}, {time_text(each.timestamp * 1000)}" for each in cosignatures]
    return "\n".join(lines)
