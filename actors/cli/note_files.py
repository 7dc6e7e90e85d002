"""Checkpoints and keys as files."""

from pathlib import Path
from typing import TextIO

import click

from actors.ans104.wallet import Wallet, key_path
from actors.evidence.checkpoints import NOTE_BYTES_MAX, VerifierKey, checkpoint_of, sign
from eventstore import LogFile


def read_note(file: TextIO) -> str:
    """A checkpoint from a file."""
    try:
        return file.read(NOTE_BYTES_MAX + 1)
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file.name} is no checkpoint: it is not UTF-8 text") from None


def load_key(path: Path, file: Path | None, key: VerifierKey) -> Wallet:
    """The key of a log's node, which lies beside the log unless a file is named.

    Raises:
        WalletError: it is not there.
    """
    file = file or key_path(path)
    wallet = Wallet.load(file)
    if wallet.public_key != key.public_key:
        raise click.BadParameter(f"{file} is not the key of the node that began {path}", param_hint="'--key'")
    return wallet


def newest_note(log: LogFile, path: Path, key: VerifierKey) -> str:
    """A checkpoint of the log as it is now if its node's key is there, else the newest that the log keeps."""
    if key_path(path).exists():
        return sign(checkpoint_of(log, key), load_key(path, None, key))
    kept = log.checkpoints()
    if not kept:
        raise click.UsageError(
            f"{path} keeps no checkpoint, and its node's key is not at {key_path(path)}: name one with --checkpoint"
        )
    return kept[-1]
