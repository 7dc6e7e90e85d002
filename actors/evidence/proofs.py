"""Proofs about a log: files that a reader checks without the log and without its node."""

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

import msgspec

from actors.ans104.item import ItemRefused, message_of, parse
from actors.evidence.checkpoints import Checkpoint, NoteInvalid, VerifierKey, is_signed_by_others, verified
from actors.protocol.canonical_json import check_depth
from eventstore import Assignment, LogFault, LogFile, Message
from eventstore.merkle.rfc9162 import (
    ProofInvalid,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
)
from eventstore.records import canonical_bytes

HASH_BYTES = 32
PATH_MAX = 130
"""Maximum number of hashes in a path. A log of 2**64 events needs 128."""
PROOF_BYTES_MAX = 16 * 1024 * 1024
_ANY_LENGTH = 2**40


class Inclusion(msgspec.Struct, tag="mostao.inclusion@1", tag_field="proof", frozen=True):
    """Proves that an event is in the log of a checkpoint."""

    key: str
    """Verifier key of the log's node."""
    checkpoint: str
    """A signed note."""
    record: str
    """Canonical bytes of the assignment, in base64. Their SHA-256 is the id of the assignment."""
    path: list[str]
    """Audit path (RFC 9162) from the leaf to the root, in base64."""


class Consistency(msgspec.Struct, tag="mostao.consistency@1", tag_field="proof", frozen=True):
    """Proves that the log of a newer checkpoint begins with the log of an older one: nothing was rewritten."""

    key: str
    older: str
    newer: str
    path: list[str]


Proof = Inclusion | Consistency
_decoder = msgspec.json.Decoder(Proof)
_record_decoder = msgspec.msgpack.Decoder(tuple[int, int, int, bytes, bytes, Message])


class Proven(NamedTuple):
    """The content of a valid proof.

    A consistency proof sets ``older``. An inclusion proof sets ``sequence``, ``timestamp`` and ``message``.
    """

    key: VerifierKey
    checkpoint: Checkpoint
    older: Checkpoint | None = None
    sequence: int = 0
    timestamp: int = 0
    message: Message | None = None


def prove_inclusion(log: LogFile, assignment: Assignment, note: str, key: VerifierKey) -> Inclusion:
    """Prove that an assignment is in the log of a checkpoint.

    Raises:
        NoteInvalid: the key did not sign the checkpoint, or the checkpoint is older than the assignment.
        LogFault: the log does not match the checkpoint.
    """
    checkpoint = matching_checkpoint(log, note, key)
    if assignment.sequence > checkpoint.size:
        raise NoteInvalid(
            f"the checkpoint covers {checkpoint.size:,} events, and this is event {assignment.sequence:,}:"
            " use a newer checkpoint"
        )
    [previous_chain] = [
        row.log_chain for row in log.read(after=assignment.sequence - 2, until=assignment.sequence - 1)
    ] or [bytes(32)]
    record = canonical_bytes(
        (
            assignment.sequence,
            assignment.slot,
            assignment.timestamp,
            assignment.process_chain,
            previous_chain,
            assignment.message,
        )
    )
    path = inclusion_path(assignment.sequence - 1, checkpoint.size, log.tree().subtree)
    return Inclusion(str(key), note, b64encode(record).decode(), _texts(path))


def prove_consistency(log: LogFile, older: str, newer: str, key: VerifierKey) -> Consistency:
    """Prove that the log of one checkpoint begins with the log of another.

    Raises:
        NoteInvalid: the key did not sign one of the checkpoints.
        LogFault: the log does not match a checkpoint: it was rewritten or truncated.
    """
    first, second = matching_checkpoint(log, older, key), matching_checkpoint(log, newer, key)
    if first.size > second.size:
        first, second, older, newer = second, first, newer, older
    path = consistency_path(first.size, second.size, log.tree().subtree)
    return Consistency(str(key), older, newer, _texts(path))


def matching_checkpoint(log: LogFile, note: str, key: VerifierKey) -> Checkpoint:
    """Verify a note and compare its checkpoint with the log; returns the checkpoint.

    Raises:
        NoteInvalid: the key did not sign the note.
        LogFault: the log is shorter than the checkpoint, or its root at that size differs.
    """
    checkpoint = verified(note, key)
    size = log.head().sequence
    what = "the log is not the one of a checkpoint"
    if checkpoint.size > size:
        raise LogFault(
            what,
            sequence=size,
            process=key.name,
            expected=f"at least {checkpoint.size} events",
            found=f"{size}: the newest were cut off, or it was replaced by an older copy",
        )
    root = log.tree().root(checkpoint.size)
    if root != checkpoint.root:
        expected, found = (f"root {hashed.hex()}" for hashed in (checkpoint.root, root))
        raise LogFault(what, sequence=checkpoint.size, process=key.name, expected=expected, found=found)
    return checkpoint


def read_proof(raw: bytes) -> Proof:
    """Parse a proof.

    Raises:
        ProofInvalid: the bytes are not a proof.
    """
    if len(raw) > PROOF_BYTES_MAX:
        raise ProofInvalid(f"a proof has at most {PROOF_BYTES_MAX:,} bytes")
    try:
        check_depth(raw)
        proof: Proof = _decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ProofInvalid(f"this is no proof ({error})") from None
    return proof


def note_of(proof: Proof) -> str:
    """The signed note of the checkpoint that a proof is about: of two, the newer one."""
    return proof.newer if isinstance(proof, Consistency) else proof.checkpoint


def check(proof: Proof, *, key: VerifierKey) -> Proven:
    """Check a proof, without the log and without its node.

    Args:
        proof: a parsed proof.
        key: the verifier key of the log, from a trusted source. The key in the proof is none.

    Raises:
        ProofInvalid: the proof is not valid.
        NoteInvalid: the key did not sign a checkpoint.
    """
    path = [_hash(text) for text in proof.path[:PATH_MAX]]
    if len(path) < len(proof.path):
        raise ProofInvalid("the path is too long")
    if isinstance(proof, Consistency):
        older, newer = verified(proof.older, key), verified(proof.newer, key)
        check_consistency(older.size, older.root, newer.size, newer.root, path)
        return Proven(key, newer, older)
    checkpoint = verified(proof.checkpoint, key)
    try:
        record = b64decode(proof.record, validate=True)
        sequence, _, timestamp, _, _, message = _record_decoder.decode(record)
    except (msgspec.MsgspecError, ValueError):
        raise ProofInvalid("the record is not the canonical bytes of an assignment") from None
    check_inclusion(leaf_hash(sha256(record).digest()), sequence - 1, checkpoint.size, path, checkpoint.root)
    if message.parent is None:
        _check_signed(message)
    return Proven(key, checkpoint, None, sequence, timestamp, message)


def check_with_checkpoint(proof: Proof, kept: str, *, key: VerifierKey | None = None) -> Proven:
    """Check a proof with a checkpoint that was kept, and with the log's verifier key if it is known.

    The proof has to lead to that checkpoint: prove the inclusion for it, or that a log only grew since it. The key in
    the proof is the log's because it signed the kept checkpoint, and no other key did under the log's name.

    Args:
        proof: a parsed proof.
        kept: the signed note, from a trusted source.
        key: the verifier key of the log, from a trusted source.

    Raises:
        ProofInvalid: the proof is not valid, or is about another checkpoint.
        NoteInvalid: the key did not sign the kept checkpoint, or not the ones in the proof; or, without ``key``, the
            kept checkpoint has signatures of several keys under the log's name.
    """
    trusted = key
    key = key or VerifierKey.parse(proof.key)
    checkpoint = verified(kept, key)
    if trusted is None and is_signed_by_others(kept, key):
        raise NoteInvalid(
            "the checkpoint that you kept has signatures of several keys under the log's name, and all but one are of"
            " other people: pass the log's verifier key with --key"
        )
    proven = check(proof, key=key)
    if checkpoint not in (proven.checkpoint, proven.older):
        raise ProofInvalid(
            f"the proof is not about the checkpoint of {checkpoint.size:,} events that you kept: make one with"
            " mostao prove --checkpoint, or with --since"
        )
    return proven


def _check_signed(message: Message) -> None:
    """Verify the signed item of a message from outside."""
    try:
        item = parse((message.envelope or b"") + message.data, data_bytes_max=_ANY_LENGTH)
        item.verify()
    except ItemRefused as refusal:
        raise ProofInvalid(f"the event's signed item is not valid: {refusal}") from None
    if message_of(item) != message:
        raise ProofInvalid("the event does not show what its sender signed")


def _texts(path: list[bytes]) -> list[str]:
    return [b64encode(hashed).decode() for hashed in path]


def _hash(text: str) -> bytes:
    try:
        hashed = b64decode(text, validate=True)
    except ValueError:
        hashed = b""
    if len(hashed) != HASH_BYTES:
        raise ProofInvalid("a path consists of hashes of 32 bytes in base64")
    return hashed
