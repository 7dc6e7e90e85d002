"""What the log keeps: messages, their assignments, and the bytes over which they are hashed."""

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable

import msgspec

_BASE64URL = re.compile("[A-Za-z0-9_-]+")

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

ID_LENGTH = 43
"""An id as text: 32 bytes in base64url without padding, as on AO."""
ID_START = 8
"""Characters of a message's id that the index stores. They are 48 bits: of a billion ids hardly two share them."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one sender tells one process. Immutable; its fields are the log's columns of the same names."""

    id: str
    sender: str
    """A wallet's address, or the id of the process that sent it."""
    target: str
    """The process it is for (column ``process``)."""
    action: str
    """The value of the first ``Action`` tag, or empty."""
    tags: str
    """Every tag, a JSON array of ``[name, value]`` in the order sent."""
    data: bytes
    anchor: str = ""
    """base64url of the sender's anchor, or empty."""
    parent: int | None = None
    """Sequence of the message whose evaluation sent this one; None for a message from outside."""
    envelope: bytes | None = None
    """Of a message from outside: its signed data item (ANS-104) up to the data, so that envelope + data is the item."""


class Assignment(msgspec.Struct, array_like=True, gc=False):
    """The log's record of a message: its place in the whole order and in its process's, its time, its two chains.

    ``output`` and ``error`` are what evaluating it gave. They follow from the log, so they are in no chain: replay
    computes them again and compares.
    """

    sequence: int
    """Place in the whole log, from 1."""
    slot: int
    """Place in its process, from 0: the message that spawned it."""
    timestamp: int
    """Milliseconds since the epoch; never goes back."""
    message: Message
    process_chain: bytes
    log_chain: bytes
    output: str | None = None
    error: str | None = None

    @property
    def process(self) -> str:
        """Id of the process that it was assigned to."""
        return self.message.target


Canonical = tuple[int, int, int, bytes, bytes, Message]
"""Sequence, slot, timestamp, process chain, the log chain before, message."""

canonical_bytes: Callable[[Canonical], bytes] = msgspec.msgpack.Encoder().encode
"""The one encoding of an assignment over which it is hashed: MessagePack arrays, fields in declared order."""


def malformed(assignment: Assignment) -> str | None:
    """What is wrong with the columns of a row that no node can have written; None if they are of their types."""
    try:
        fields = [
            msgspec.structs.astuple(field) if isinstance(field, Message) else field
            for field in msgspec.structs.astuple(assignment)
        ]
        msgspec.convert(fields, Assignment, builtin_types=(bytes,))
        decode_id(assignment.process)
    except (msgspec.ValidationError, ValueError) as error:
        return str(error)
    return None


def encode_id(digest: bytes) -> str:
    """32 bytes as the 43 characters of an id."""
    return b2a_base64(digest, newline=False)[:ID_LENGTH].translate(_URL_SAFE).decode()


def decode_id(text: str) -> bytes:
    """The 32 bytes of an id.

    Raises:
        ValueError: ``text`` is not 43 characters of base64url, or not the canonical spelling of its bytes.
    """
    if len(text) == ID_LENGTH and _BASE64URL.fullmatch(text):
        digest = urlsafe_b64decode(text + "=")
        if encode_id(digest) == text:
            return digest
    raise ValueError(f"{text!r} is not an id: 43 characters of base64url")
