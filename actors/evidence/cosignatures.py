"""Cosignatures: timestamped statements of witnesses that a log only grew up to a checkpoint (C2SP tlog-cosignature).

A witness that cosigns a checkpoint states: at this time, this is the longest tree that I have seen of the log, and it
contains every shorter one that I have seen. An operator who shows two histories needs a witness that lies.
"""

from collections.abc import Sequence
from typing import NamedTuple

from actors.ans104.wallet import Wallet
from actors.crypto.ed25519 import is_valid
from actors.evidence.checkpoints import (
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    parse_note,
    signature_line,
    signatures_by,
)

_TIMESTAMP_BYTES = 8
_TIMESTAMP_MAX = 253_402_300_799
"""The end of the year 9999. A verifier may refuse a time in the future."""


class Cosignature(NamedTuple):
    """A valid cosignature."""

    key: VerifierKey
    """Verifier key of the witness."""
    timestamp: int
    """When the witness cosigned, in seconds since the Unix epoch."""


def cosign(checkpoint: Checkpoint, key: VerifierKey, wallet: Wallet, *, timestamp: int) -> str:
    """Cosign a checkpoint; returns a signature line.

    Args:
        checkpoint: the checkpoint, with its extension lines.
        key: verifier key of the witness.
        wallet: the private key that belongs to it.
        timestamp: seconds since the Unix epoch.
    """
    signature = wallet.signature(_signed_bytes(checkpoint, timestamp))
    return signature_line(key, timestamp.to_bytes(_TIMESTAMP_BYTES, "big") + signature)


def cosignatures_of(note: str, keys: Sequence[VerifierKey]) -> list[Cosignature]:
    """The cosignatures of a note by known witnesses, the newest of each. Other signature lines are ignored.

    Raises:
        NoteInvalid: the note is not a checkpoint, or a line names one of the keys and does not verify.
    """
    checkpoint, signatures = parse_note(note)
    found = []
    for key in keys:
        timestamps = [_verified_timestamp(checkpoint, key, signature) for signature in signatures_by(key, signatures)]
        if timestamps:
            found.append(Cosignature(key, max(timestamps)))
    return found


def _verified_timestamp(checkpoint: Checkpoint, key: VerifierKey, signature: bytes) -> int:
    timestamp = int.from_bytes(signature[:_TIMESTAMP_BYTES], "big")
    signed = _signed_bytes(checkpoint, timestamp)
    if timestamp > _TIMESTAMP_MAX or not is_valid(signature[_TIMESTAMP_BYTES:], signed, key.public_key):
        raise NoteInvalid(f"the cosignature of {key.name} does not match: the checkpoint was forged or changed")
    return timestamp


def _signed_bytes(checkpoint: Checkpoint, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{checkpoint.text}".encode()
