"""Data items (ANS-104): the signed messages that AO's clients send.

Layout (integers little-endian): signature type (2 bytes), signature, owner's public key, target (a presence byte and 32
bytes), anchor (a presence byte and 32 bytes), number of tags (8 bytes), length of the tag block (8 bytes), tag block
(Avro), data (the rest).
"""

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from actors.ans104.deep_hash import signed_bytes
from actors.ans104.tags import TagsMalformed, decode_tags, encode_tags
from actors.crypto.schemes import SCHEMES, Scheme
from actors.protocol.canonical_json import encode
from eventstore import Message
from eventstore.records import encode_id

DATA_BYTES_MAX = 100 * 1024
"""Default limit of the data of an item, in bytes."""
ANCHOR_BYTES = TARGET_BYTES = 32

_COUNTS = Struct("<QQ")
"""Number of tags and length of the tag block."""


class ItemRefused(Exception):
    """A data item is refused; the text gives the reason. It is not in the log."""


class ItemForged(ItemRefused):
    """The signature does not match the item."""

    def __init__(self) -> None:
        super().__init__("the signature does not match: the item was forged or changed on its way")


class DataTooLarge(ItemRefused):
    """The data of the item exceeds the node's limit."""


class NoSuchProcess(ItemRefused):
    """The item's target is not a process of this node."""


class Signed(NamedTuple):
    """A signature and the fields that it covers."""

    kind: int
    """ANS-104's signature type."""
    signature: bytes
    public_key: bytes
    target: bytes
    anchor: bytes
    tags: bytes
    """The encoded tag block."""
    data: bytes

    @property
    def is_valid(self) -> bool:
        """Whether the signature matches the key and the fields. Takes almost 0.1 ms."""
        kind, signature, public_key, *covered = self
        return SCHEMES[kind].is_valid(signature, signed_bytes(kind, public_key, *covered), public_key)


class DataItem(NamedTuple):
    """A parsed data item. Its signature is not verified yet."""

    id: str
    """base64url(SHA-256(signature))."""
    sender: str
    """Address of the public key."""
    target: str
    """Process id; empty for none."""
    anchor: bytes
    tags: list[tuple[str, str]]
    data: bytes
    envelope: bytes
    """The bytes of the item before its data."""
    signed: Signed

    @property
    def starts_process(self) -> bool:
        """Whether the item starts a process: its ``Type`` is ``Process`` and it has no target."""
        return not self.target and self.tag("Type") == "Process"

    def tag(self, name: str) -> str:
        """Value of the first tag of this name; empty if there is none."""
        for key, value in self.tags:
            if key == name:
                return value
        return ""

    @property
    def scheme(self) -> Scheme:
        """Signature scheme of the claimed key."""
        return SCHEMES[self.signed.kind]

    @property
    def signature(self) -> bytes:
        """The signature."""
        return self.signed.signature

    @property
    def public_key(self) -> bytes:
        """The claimed public key."""
        return self.signed.public_key

    def verify(self) -> None:
        """Verify the signature.

        Raises:
            ItemForged: the signature does not match the item.
        """
        if not self.signed.is_valid:
            raise ItemForged


def parse(raw: bytes, *, data_bytes_max: int = DATA_BYTES_MAX) -> DataItem:
    """Parse a data item.

    Raises:
        ItemRefused: the item is truncated, malformed or too large, or its signature type is not supported.
    """
    scheme = _scheme(raw)
    signature, public_key = raw[scheme.signature], raw[scheme.key]
    if len(raw) < scheme.key.stop:
        raise _truncated("signature" if len(raw) < scheme.signature.stop else "public key")
    target, position = _optional(raw, scheme.key.stop, "target")
    anchor, position = _optional(raw, position, "anchor")
    counts = raw[position : position + _COUNTS.size]
    if len(counts) < _COUNTS.size:
        raise _truncated("number of tags" if len(counts) < _COUNTS.size // 2 else "length of the tags")
    tag_count, length = _COUNTS.unpack(counts)
    position += _COUNTS.size
    block = raw[position : position + length]
    if len(block) < length:
        raise _truncated("tags")
    position += length
    data = raw[position:]
    if len(data) > data_bytes_max:
        raise DataTooLarge(f"the data is {len(data):,} bytes; at most {data_bytes_max:,} are taken")
    try:
        tags = decode_tags(block, tag_count)
    except TagsMalformed as error:
        raise ItemRefused(str(error)) from None
    return DataItem(
        id=encode_id(sha256(signature).digest()),
        sender=scheme.address(public_key),
        target=encode_id(target) if target else "",
        anchor=anchor,
        tags=tags,
        data=data,
        envelope=raw[:position],
        signed=Signed(scheme.kind, signature, public_key, target, anchor, block, data),
    )


def mailbox_of(raw: bytes) -> bytes:
    """The encoded target of an item, without parsing the rest. Equal targets have equal bytes.

    Raises:
        ItemRefused: the signature type is not supported.
    """
    start = _scheme(raw).key.stop
    return raw[start : start + 1 + TARGET_BYTES]


def owner_of(raw: bytes) -> bytes:
    """The claimed public key of an item, without parsing the rest.

    Raises:
        ItemRefused: the signature type is not supported.
    """
    return raw[_scheme(raw).key]


def item_id(raw: bytes) -> str:
    """The id of an item, without parsing the rest.

    Raises:
        ItemRefused: the signature type is not supported.
    """
    return encode_id(sha256(raw[_scheme(raw).signature]).digest())


def verify_all(items: Iterable[DataItem]) -> list[bool]:
    """Whether the signature of each item is valid, one result per item."""
    return [item.signed.is_valid for item in items]


def message_of(item: DataItem) -> Message:
    """The message that the log stores for an item."""
    return Message(
        id=item.id,
        sender=item.sender,
        target=item.id if item.starts_process else item.target,
        action=item.tag("Action"),
        tags=encode(item.tags),
        data=item.data,
        anchor=encode_id(item.anchor) if item.anchor else "",
        envelope=item.envelope,
    )


def unsigned(
    *, kind: int, public_key: bytes, target: bytes, anchor: bytes, tags: list[tuple[str, str]], data: bytes
) -> tuple[bytes, bytes]:
    """The parts of a data item that a signer needs.

    Args:
        kind: signature type (ANS-104).
        public_key: public key of the signer, in the length of its signature type.
        target: 32 bytes, or empty.
        anchor: 32 bytes, or empty.
        tags: name and value of each tag.
        data: data of the item.

    Returns:
        The 48 bytes to sign, and the bytes of the item after the signature.

    Raises:
        ValueError: a field is longer than the format allows.
    """
    if len(target) not in (0, TARGET_BYTES) or len(anchor) not in (0, ANCHOR_BYTES):
        raise ValueError("a target or an anchor is 32 bytes, or none")
    block = encode_tags(tags)
    rest = b"".join(
        (
            public_key,
            b"\1" + target if target else b"\0",
            b"\1" + anchor if anchor else b"\0",
            len(tags).to_bytes(8, "little"),
            len(block).to_bytes(8, "little"),
            block,
            data,
        )
    )
    return signed_bytes(kind, public_key, target, anchor, block, data), rest


def _scheme(raw: bytes) -> Scheme:
    """Signature scheme of an item."""
    if not raw:
        raise ItemRefused("the item is empty")
    kind = int.from_bytes(raw[:2], "little")
    scheme = SCHEMES.get(kind)
    if scheme is None:
        known = ", ".join(f"{kind} {scheme.name}" for kind, scheme in SCHEMES.items())
        raise ItemRefused(f"unknown signature type {kind}; known are {known}")
    return scheme


def _optional(raw: bytes, position: int, field: str) -> tuple[bytes, int]:
    """An optional field of 32 bytes (target or anchor), and the position after it."""
    present = raw[position : position + 1]
    if present == b"\0":
        return b"", position + 1
    stop = position + 1 + TARGET_BYTES
    if present == b"\1" and len(raw) >= stop:
        return raw[position + 1 : stop], stop
    if present > b"\1":
        raise ItemRefused(f"the presence byte of the {field} is {present[0]}; it has to be 0 or 1")
    raise _truncated(field)


def _truncated(field: str) -> ItemRefused:
    return ItemRefused(f"the item is truncated: it ends within its {field}")
