"""The records of a log: messages, assignments, and the canonical bytes that are hashed."""

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable

import msgspec

_BASE64URL = re.compile("[A-Za-z0-9_-]+")

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

ID_LENGTH = 43
"""Characters of an id: 32 bytes in base64url without padding, as on AO."""
ID_START = 8
"""Characters of a message's id that the index stores: 48 bits. Among a billion ids, about 1,800 pairs share them.
Lookups compare the full id."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message from one sender to one process. Its fields are stored in columns of the same names."""

    id: str
    sender: str
    """A wallet's address, or the id of the process that sent it."""
    target: str
    """Id of the receiving process (column ``process``)."""
    action: str
    """The value of the first ``Action`` tag; empty if there is none."""
    tags: str
    """All tags: a JSON array of ``[name, value]`` pairs in the sender's order."""
    data: bytes
    anchor: str = ""
    """The sender's anchor in base64url; empty if there is none."""
    parent: int | None = None
    """Sequence of the message whose evaluation sent this one; None for an external message."""
    envelope: bytes | None = None
    """The signed data item (ANS-104) of an external message, up to the data: envelope + data is the whole item. It is
    None for a message from a process."""


class Assignment(msgspec.Struct, array_like=True, gc=False):
    """The log's record of a message: its sequence, slot and timestamp, and two hash chains.

    ``output`` and ``error`` are results of the evaluation. No chain covers them, because they follow from the rest of
    the log: replay computes them again and compares.
    """

    sequence: int
    """Position in the log, from 1."""
    slot: int
    """Position in the process, from 0. Slot 0 is the message that spawned the process."""
    timestamp: int
    """Milliseconds since the epoch. Timestamps never decrease."""
    message: Message
    process_chain: bytes
    log_chain: bytes
    output: str | None = None
    error: str | None = None

    @property
    def process(self) -> str:
        """Id of the receiving process."""
        return self.message.target


Canonical = tuple[int, int, int, bytes, bytes, Message]
"""The hashed fields of an assignment: sequence, slot, timestamp, process chain, previous log chain, message."""

canonical_bytes: Callable[[Canonical], bytes] = msgspec.msgpack.Encoder().encode
"""Encodes an assignment for hashing: MessagePack arrays, fields in declared order."""


def malformed(assignment: Assignment) -> str | None:
    """Why a row cannot have been written by a node; None if all of its columns have the declared types."""
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
    """Encode 32 bytes as an id of 43 characters."""
    return b2a_base64(digest, newline=False)[:ID_LENGTH].translate(_URL_SAFE).decode()


def decode_id(text: str) -> bytes:
    """Decode an id to its 32 bytes.

    Raises:
        ValueError: ``text`` is not 43 characters of base64url, or is not the canonical encoding of its bytes.
    """
    if len(text) == ID_LENGTH and _BASE64URL.fullmatch(text):
        digest = urlsafe_b64decode(text + "=")
        if encode_id(digest) == text:
            return digest
    raise ValueError(f"{text!r} is not an id: 43 characters of base64url")
