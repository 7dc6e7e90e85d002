"""Checkpoints: signed statements of a log's name, its size and the root of its Merkle tree.

The format is C2SP's tlog-checkpoint in a signed note, which the tools of transparency logs read. With an older
checkpoint, a reader tells a log that only grew from one that was rewritten or truncated.
"""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

from actors.ans104.item import ItemRefused, parse
from actors.ans104.wallet import Wallet
from actors.crypto.ed25519 import is_valid
from actors.crypto.schemes import ED25519
from eventstore import LogFault, LogFile, LogUnusable

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_HASH_BYTES = 32
_SIGNATURE_MARK = "— "
_SIZE = re.compile("0|[1-9][0-9]{0,17}")
NOTE_BYTES_MAX = 64 * 1024


class NoteInvalid(Exception):
    """The text is not a checkpoint, or the expected key did not sign it."""


class Checkpoint(NamedTuple):
    """The signed content of a checkpoint."""

    origin: str
    """Name of the log: ``mostao/`` and the id of its first message."""
    size: int
    """Number of assignments."""
    root: bytes
    """Root of the Merkle tree over the assignments (32 bytes)."""

    @property
    def text(self) -> str:
        """The signed lines."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class VerifierKey(NamedTuple):
    """A verifier key (C2SP signed note): the public key of a node, and the name of its log."""

    name: str
    public_key: bytes

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.public_key).decode()}"

    @property
    def id(self) -> bytes:
        """Key id in a signature line (4 bytes)."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:_KEY_ID_BYTES]

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Parse ``name+id+key``.

        Raises:
            NoteInvalid: the text is not a verifier key.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded, "a verifier key has to be written name+id+key")
        key = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(raw) != 1 + _HASH_BYTES or key.id.hex() != key_id or not name:
            raise NoteInvalid("a verifier key has to be written name+id+key, with the id that follows from the others")
        return key


def origin_of(registry: str) -> str:
    """Name of a log, from the id of its first process."""
    return f"mostao/{registry}"


def key_of(log: LogFile) -> VerifierKey:
    """Verifier key of the node that created a log: the signer of the log's first item.

    Raises:
        LogUnusable: the log holds no events.
        LogFault: the log does not begin with a signed item of an Ed25519 key.
    """
    first = next(log.read(until=1), None)
    if first is None:
        raise LogUnusable("the log holds no events")
    try:
        item = parse((first.message.envelope or b"") + first.message.data)
    except (ItemRefused, TypeError) as error:
        raise LogFault.at(first, "no signed item", "one", str(error)) from None
    if item.scheme.kind != ED25519:
        raise LogFault.at(first, "the key of the log's node", "an Ed25519 key", item.scheme.name)
    return VerifierKey(origin_of(item.id), item.public_key)


def checkpoint_of(log: LogFile, key: VerifierKey, *, size: int | None = None) -> Checkpoint:
    """The checkpoint of a log after ``size`` assignments; by default of all its assignments."""
    size = log.head().sequence if size is None else size
    return Checkpoint(key.name, size, log.tree().root(size))


def sign(checkpoint: Checkpoint, wallet: Wallet) -> str:
    """Sign a checkpoint; returns a signed note."""
    key = VerifierKey(checkpoint.origin, wallet.public_key)
    signature = b64encode(key.id + wallet.signature(checkpoint.text.encode())).decode()
    return f"{checkpoint.text}\n{_SIGNATURE_MARK}{key.name} {signature}\n"


def parse_note(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """Parse a note: the checkpoint, and name and signature of each signature line. Verifies no signature.

    Raises:
        NoteInvalid: the note is not a checkpoint.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise NoteInvalid(f"a checkpoint has at most {NOTE_BYTES_MAX:,} bytes")
    text, blank, lines = note.partition("\n\n")
    parts = text.split("\n")
    if not blank or len(parts) != len(Checkpoint._fields) or not parts[0]:
        raise NoteInvalid("a checkpoint has a line with the log's name, one with its size and one with its root")
    origin, size, encoded_root = parts
    if not _SIZE.fullmatch(size):
        raise NoteInvalid("the size of a checkpoint is a number without leading zeros")
    root = _decoded(encoded_root, "the root of a checkpoint has to be base64")
    if len(root) != _HASH_BYTES:
        raise NoteInvalid(f"the root of a checkpoint has {_HASH_BYTES} bytes")
    signatures = []
    for line in lines.removesuffix("\n").split("\n"):
        name, _, encoded = line.removeprefix(_SIGNATURE_MARK).rpartition(" ")
        if not line.startswith(_SIGNATURE_MARK) or not name:
            raise NoteInvalid("a signature line has to be written: — name signature")
        signatures.append((name, _decoded(encoded, "a signature has to be base64")))
    return Checkpoint(origin, int(size), root), signatures


def verified(note: str, key: VerifierKey) -> Checkpoint:
    """Verify a note; returns its checkpoint.

    Raises:
        NoteInvalid: the note is not a checkpoint, or is of another log, or the key did not sign it.
    """
    checkpoint, signatures = parse_note(note)
    if checkpoint.origin != key.name:
        raise NoteInvalid(f"the checkpoint is of {checkpoint.origin}, not of {key.name}")
    for name, signature in signatures:
        if name == key.name and signature[:_KEY_ID_BYTES] == key.id:
            if not is_valid(signature[_KEY_ID_BYTES:], checkpoint.text.encode(), key.public_key):
                raise NoteInvalid("the signature does not match: the checkpoint was forged or changed")
            return checkpoint
    raise NoteInvalid(f"the checkpoint is not signed by {key}")


def _decoded(text: str, error: str) -> bytes:
    """Decode canonical base64, or raise ``NoteInvalid`` with a text."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise NoteInvalid(error) from None
    if b64encode(raw).decode() != text:
        raise NoteInvalid(error)
    return raw
