"""Reads checkpoints and keys from files."""

from pathlib import Path
from typing import TextIO

import click

from actors.ans104.wallet import Wallet, WalletError, key_path
from actors.evidence.checkpoints import (
    NOTE_BYTES_MAX,
    NoteInvalid,
    VerifierKey,
    checkpoint_of,
    is_signed_by_others,
    parse_note,
    sign,
)
from eventstore import LogFile
from eventstore.engines import Location, path_of


def read_note(file: TextIO) -> str:
    """Read a checkpoint from a file. No signature is verified.

    Raises:
        BadParameter: the file is not a checkpoint.
    """
    try:
        note = file.read(NOTE_BYTES_MAX + 1)
        parse_note(note)
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file.name} is not a checkpoint: it is not UTF-8 text") from None
    except NoteInvalid as error:
        raise click.BadParameter(f"{file.name} is not a checkpoint: {error}") from None
    return note


def load_key(path: Location, file: Path | None, key: VerifierKey) -> Wallet:
    """Load the key of a log's node from ``file``, or from the key file beside the log.

    Raises:
        WalletError: the key cannot be read.
        BadParameter: it is another node's key.
    """
    file = file or key_path(path_of(path))
    try:
        wallet = Wallet.load(file)
    except WalletError as error:
        if file.exists():
            raise
        raise WalletError(f"{error}: name it with --key") from None
    if wallet.public_key != key.public_key:
        raise click.BadParameter(f"{file} is not the key of the node that began {path}", param_hint="'--key'")
    return wallet


def newest_note(log: LogFile, path: Location, key: VerifierKey) -> str:
    """A checkpoint signed now if the node's key is available, otherwise the newest one in the log.

    Raises:
        WalletError: the node's key cannot be read.
        UsageError: there is neither the key nor a checkpoint, or the checkpoint is also signed under the log's name by
            another key.
    """
    key_file = key_path(path_of(path))
    if key_file.exists():
        return sign(checkpoint_of(log, key), load_key(path, None, key))
    kept = log.checkpoints()
    if not kept:
        raise click.UsageError(
            f"{path} contains no checkpoint, and its node's key is not at {key_file}: name one with --checkpoint"
        )
    if is_signed_by_others(kept[-1], key):
        raise click.UsageError(
            f"the newest checkpoint in {path} has a signature of another key under the log's name, which its node did"
            " not add: name another checkpoint with --checkpoint"
        )
    return kept[-1]
