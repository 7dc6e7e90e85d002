"""Checkpoints: signed statements of a log's name, its size and the root of its Merkle tree.

The format is C2SP's tlog-checkpoint in a signed note, which the tools of transparency logs read. With an older
checkpoint that was kept elsewhere, a reader tells a log that only grew from one that was rewritten or truncated.
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

LOG_KEY = b"\x01"
"""Kind of a key that signs checkpoints of a log (Ed25519, C2SP signed note)."""
WITNESS_KEY = b"\x04"
"""Kind of a key that cosigns checkpoints (timestamped Ed25519, C2SP tlog-cosignature)."""
KEY_ID_BYTES = 4
SIGNATURE_MARK = "— "
NOTE_BYTES_MAX = 128 * 1024
"""Limit of a note: room for 16 signatures of 5 kB, which every reader has to accept (C2SP signed note)."""
_HASH_BYTES = 32
_KINDS = {LOG_KEY: "a log", WITNESS_KEY: "a witness"}
_LINES_MIN = 3
_SIZE = re.compile("0|[1-9][0-9]{0,17}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


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
    extensions: tuple[str, ...] = ()
    """Further signed lines, which other logs may add. Logs of mostao have none."""

    @property
    def text(self) -> str:
        """The signed lines."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


class VerifierKey(NamedTuple):
    """A verifier key (C2SP signed note): the name and the Ed25519 public key of a log's node or of a witness."""

    name: str
    """Of a log: the origin of its checkpoints."""
    public_key: bytes
    kind: bytes = LOG_KEY

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(self.kind + self.public_key).decode()}"

    @property
    def id(self) -> bytes:
        """Key id in a signature line (4 bytes)."""
        return sha256(self.name.encode() + b"\n" + self.kind + self.public_key).digest()[:KEY_ID_BYTES]

    @classmethod
    def parse(cls, text: str, *, kind: bytes = LOG_KEY) -> "VerifierKey":
        """Parse ``name+id+key``.

        Raises:
            NoteInvalid: the text is not a verifier key, or is one of another kind.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded, "a verifier key has to be written name+id+key")
        key = cls(name, raw[1:], raw[:1])
        if not is_key_name(name) or len(raw) != 1 + _HASH_BYTES or key.id.hex() != key_id or key.kind not in _KINDS:
            raise NoteInvalid("a verifier key has to be written name+id+key, with the id that follows from the others")
        if key.kind != kind:
            raise NoteInvalid(f"this is the verifier key of {_KINDS[key.kind]}; pass the one of {_KINDS[kind]}")
        return key


def is_key_name(name: str) -> bool:
    """Whether a text can name a key: it is not empty and contains neither spaces nor ``+``."""
    return bool(name) and "+" not in name and name.isprintable() and not any(char.isspace() for char in name)


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
    return f"{checkpoint.text}\n{signature_line(key, wallet.signature(checkpoint.text.encode()))}"


def signature_line(key: VerifierKey, signature: bytes) -> str:
    """The line of a note with a signature by a key."""
    return f"{SIGNATURE_MARK}{key.name} {b64encode(key.id + signature).decode()}\n"


def parse_note(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """Parse a note: the checkpoint, and name and signature of each signature line. Verifies no signature.

    Raises:
        NoteInvalid: the note is not a checkpoint.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise NoteInvalid(f"a checkpoint has at most {NOTE_BYTES_MAX:,} bytes")
    if _CONTROL.search(note):
        raise NoteInvalid("a checkpoint contains no control characters")
    text, blank, lines = note.rpartition("\n\n")
    parts = text.split("\n")
    if not blank or len(parts) < _LINES_MIN or not all(parts):
        raise NoteInvalid("a checkpoint has a line with the log's name, one with its size and one with its root")
    origin, size, encoded_root, *extensions = parts
    if not _SIZE.fullmatch(size):
        raise NoteInvalid("the size of a checkpoint is a number without leading zeros")
    root = _decoded(encoded_root, "the root of a checkpoint has to be base64")
    if len(root) != _HASH_BYTES:
        raise NoteInvalid(f"the root of a checkpoint has {_HASH_BYTES} bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions)), parse_signature_lines(lines)


def parse_signature_lines(lines: str) -> list[tuple[str, bytes]]:
    """Parse the signature lines of a note: name and signature, which begins with the key's id.

    Raises:
        NoteInvalid: a line is no signature line.
    """
    signatures = []
    for line in lines.removesuffix("\n").split("\n"):
        name, _, encoded = line.removeprefix(SIGNATURE_MARK).rpartition(" ")
        if not line.startswith(SIGNATURE_MARK) or not is_key_name(name):
            raise NoteInvalid("a signature line has to be written: — name signature")
        signatures.append((name, _decoded(encoded, "a signature has to be base64")))
    return signatures


def signatures_by(key: VerifierKey, signatures: list[tuple[str, bytes]]) -> list[bytes]:
    """The signatures that name a key, without its id. None of them is verified."""
    return [
        signature[KEY_ID_BYTES:]
        for name, signature in signatures
        if name == key.name and signature[:KEY_ID_BYTES] == key.id
    ]


def is_signed_by_others(note: str, key: VerifierKey) -> bool:
    """Whether a note has a signature line with a key's name and the id of another key. Nothing is verified.

    A log has one key, so another person added the line. C2SP has a reader who knows the key ignore such a line.

    Raises:
        NoteInvalid: the note is not a checkpoint.
    """
    _, signatures = parse_note(note)
    return any(name == key.name and signature[:KEY_ID_BYTES] != key.id for name, signature in signatures)


def verified(note: str, key: VerifierKey) -> Checkpoint:
    """Verify a note; returns its checkpoint. Signatures of other keys, such as those of witnesses, are ignored.

    Raises:
        NoteInvalid: the note is not a checkpoint, or is of another log, or the key did not sign it.
    """
    checkpoint, signatures = parse_note(note)
    if checkpoint.origin != key.name:
        raise NoteInvalid(f"the checkpoint is of {checkpoint.origin}, not of {key.name}")
    own = signatures_by(key, signatures)
    if not own:
        raise NoteInvalid(f"the checkpoint is not signed by {key}")
    if not all(is_valid(signature, checkpoint.text.encode(), key.public_key) for signature in own):
        raise NoteInvalid("the signature does not match: the checkpoint was forged or changed")
    return checkpoint


def _decoded(text: str, error: str) -> bytes:
    """Decode canonical base64, or raise ``NoteInvalid`` with a text."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise NoteInvalid(error) from None
    if b64encode(raw).decode() != text:
        raise NoteInvalid(error)
    return raw
