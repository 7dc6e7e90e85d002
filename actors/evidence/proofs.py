"""Proofs about a log for somebody who has neither the log nor the node: a file that speaks for itself."""

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

import msgspec

from actors.ans104.item import ItemRefused, message_of, parse
from actors.evidence.checkpoints import Checkpoint, NoteInvalid, VerifierKey, verified
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
"""Hashes of a path; a log of 2**64 events needs 128."""
PROOF_BYTES_MAX = 16 * 1024 * 1024
_ANY_LENGTH = 2**40


class Inclusion(msgspec.Struct, tag="mostao.inclusion@1", tag_field="proof", frozen=True):
    """An event is in the log that a checkpoint speaks of."""

    key: str
    """The verifier key of the log's node."""
    checkpoint: str
    """A signed note."""
    record: str
    """The assignment's canonical bytes, in base64: what its id is the SHA-256 of."""
    path: list[str]
    """The audit path of RFC 9162, from the bottom up, in base64."""


class Consistency(msgspec.Struct, tag="mostao.consistency@1", tag_field="proof", frozen=True):
    """The log of a newer checkpoint begins with the one of an older checkpoint: nothing was rewritten."""

    key: str
    older: str
    newer: str
    path: list[str]


Proof = Inclusion | Consistency
_decoder = msgspec.json.Decoder(Proof)
_record_decoder = msgspec.msgpack.Decoder(tuple[int, int, int, bytes, bytes, Message])


class Proven(NamedTuple):
    """What a proof proves.

    ``older`` is set by a proof of consistency; ``sequence``, ``timestamp`` and ``message`` by one of inclusion.
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
        NoteInvalid: the checkpoint is not the key's, or is older than the assignment.
        LogFault: the log is not what the checkpoint says.
    """
    checkpoint = agreeing(log, note, key)
    if assignment.sequence > checkpoint.size:
        raise NoteInvalid(
            f"the checkpoint speaks of {checkpoint.size:,} events, and this is event {assignment.sequence:,}:"
            " take a newer one"
        )
    [before] = [row.log_chain for row in log.read(after=assignment.sequence - 2, until=assignment.sequence - 1)] or [
        bytes(32)
    ]
    record = canonical_bytes(
        (
            assignment.sequence,
            assignment.slot,
            assignment.timestamp,
            assignment.process_chain,
            before,
            assignment.message,
        )
    )
    path = inclusion_path(assignment.sequence - 1, checkpoint.size, log.tree().subtree)
    return Inclusion(str(key), note, b64encode(record).decode(), _texts(path))


def prove_consistency(log: LogFile, older: str, newer: str, key: VerifierKey) -> Consistency:
    """Prove that the log of one checkpoint begins with the log of another.

    Raises:
        NoteInvalid: one of them is not the key's.
        LogFault: the log is not what one of them says: it was rewritten, or cut short.
    """
    first, second = agreeing(log, older, key), agreeing(log, newer, key)
    if first.size > second.size:
        first, second, older, newer = second, first, newer, older
    path = consistency_path(first.size, second.size, log.tree().subtree)
    return Consistency(str(key), older, newer, _texts(path))


def agreeing(log: LogFile, note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a note, if its signature is the key's and the log is what it says.

    Raises:
        NoteInvalid: it is not signed by that key.
        LogFault: the log is shorter, or has another root there.
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
    """Read a proof.

    Raises:
        ProofInvalid: it is none.
    """
    if len(raw) > PROOF_BYTES_MAX:
        raise ProofInvalid(f"a proof has at most {PROOF_BYTES_MAX:,} bytes")
    try:
        proof: Proof = _decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ProofInvalid(f"this is no proof ({error})") from None
    return proof


def check(proof: Proof, *, key: VerifierKey | None = None) -> Proven:
    """Check a proof. Needs neither the log nor the node.

    Args:
        proof: what was read.
        key: the verifier key that is trusted; without one the proof's own, which the caller has to look at.

    Raises:
        ProofInvalid: it does not prove what it says.
        NoteInvalid: a checkpoint is not signed by the key.
    """
    key = key or VerifierKey.parse(proof.key)
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


def _check_signed(message: Message) -> None:
    """See that a message from outside is what its sender signed."""
    try:
        item = parse((message.envelope or b"") + message.data, data_bytes_max=_ANY_LENGTH)
        item.verify()
    except ItemRefused as refusal:
        raise ProofInvalid(f"the event's signed item is not genuine: {refusal}") from None
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
