"""Statements from outside of a log's file that vouch for its events."""

from typing import NamedTuple

from actors.evidence.checkpoints import Checkpoint, VerifierKey
from actors.evidence.cosignatures import Cosignature


class Statement(NamedTuple):
    """A checkpoint that a log matches, and that a forger of the log's file could not make or remove.

    It was kept elsewhere, or a witness cosigned it. It vouches for the events up to its size: they are the ones, in
    their order, that the node had when it signed.
    """

    checkpoint: Checkpoint
    key: VerifierKey
    """Verifier key of the log's node, which signed it."""
    cosignatures: tuple[Cosignature, ...]
    """Of known witnesses."""
    note: str


def stronger_statement(one: Statement | None, other: Statement) -> Statement:
    """The statement about more events; else the one that more witnesses cosigned; else the second one."""
    return other if one is None or _strength(other) >= _strength(one) else one


def _strength(statement: Statement) -> tuple[int, int]:
    return statement.checkpoint.size, len(statement.cosignatures)
