"""Signed messages from outside: data items as in ANS-104, the format that AO's clients send.

Layout (integers little-endian): signature type (2 bytes), signature, owner's public key, target (a presence byte and 32
bytes), anchor (likewise), number of tags (8), length of the tag block (8), tag block (Avro), data (the rest).
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from hashlib import sha256, sha384
from struct import Struct
from typing import NamedTuple

from actors.ans104.tags import TagsMalformed, decode_tags, encode_tags
from actors.crypto.schemes import SCHEMES, Scheme
from actors.protocol.canonical_json import encode
from eventstore import Message
from eventstore.records import encode_id

DATA_BYTES_MAX = 100 * 1024
"""Default limit of a message's data."""
ANCHOR_BYTES = TARGET_BYTES = 32


_COUNTS = Struct("<QQ")
"""The number of tags, and the length of their block."""


class ItemRefused(Exception):
    """A data item that is not taken, with the reason. Nothing of it is in the log."""


class ItemForged(ItemRefused):
    """It is not what its key signed."""

    def __init__(self) -> None:
        super().__init__("the signature does not match: the item was forged or changed on its way")


class DataTooLarge(ItemRefused):
    """Its data is larger than the node takes."""


class NoSuchProcess(ItemRefused):
    """There is no process that it could be for."""


class Signed(NamedTuple):
    """A signature, and what it covers."""

    kind: int
    """ANS-104's signature type."""
    signature: bytes
    public_key: bytes
    target: bytes
    anchor: bytes
    tags: bytes
    """As they are encoded."""
    data: bytes

    @property
    def is_valid(self) -> bool:
        """Whether that is what its key signed. Takes most of a tenth of a millisecond."""
        kind, signature, public_key, *covered = self
        return SCHEMES[kind].is_valid(signature, _signed_bytes(kind, public_key, *covered), public_key)


class DataItem(NamedTuple):
    """A data item, read but not yet verified."""

    id: str
    """base64url(SHA-256(signature))."""
    sender: str
    """Address of the key that signed."""
    target: str
    """Process id, or empty."""
    anchor: bytes
    tags: list[tuple[str, str]]
    data: bytes
    envelope: bytes
    """The item up to its data."""
    signed: Signed

    @property
    def starts_process(self) -> bool:
        """Whether the item is a process itself: of that type, and sent to none."""
        return not self.target and self.tag("Type") == "Process"

    def tag(self, name: str) -> str:
        """The first tag of that name, or empty."""
        for key, value in self.tags:
            if key == name:
                return value
        return ""

    @property
    def scheme(self) -> Scheme:
        """Of the key that it claims to be signed with."""
        return SCHEMES[self.signed.kind]

    @property
    def signature(self) -> bytes:
        """Its signature."""
        return self.signed.signature

    @property
    def public_key(self) -> bytes:
        """The key that it claims to be signed with."""
        return self.signed.public_key

    def verify(self) -> None:
        """Check the signature.

        Raises:
            ItemForged: the item is not what its key signed.
        """
        if not self.signed.is_valid:
            raise ItemForged


def parse(raw: bytes, *, data_bytes_max: int = DATA_BYTES_MAX) -> DataItem:
    """Read a data item's bytes.

    Raises:
        ItemRefused: it is truncated, malformed, oversized or signed in a way that is not supported.
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
    """Which target an item names, without reading the rest: equal bytes for equal targets.

    Raises:
        ItemRefused: it is signed in a way that is not known.
    """
    start = _scheme(raw).key.stop
    return raw[start : start + 1 + TARGET_BYTES]


def owner_of(raw: bytes) -> bytes:
    """The public key that an item claims to be signed with, without reading the rest.

    Raises:
        ItemRefused: it is signed in a way that is not known.
    """
    return raw[_scheme(raw).key]


def item_id(raw: bytes) -> str:
    """The id of an item, without reading the rest.

    Raises:
        ItemRefused: it is signed in a way that is not known.
    """
    return encode_id(sha256(raw[_scheme(raw).signature]).digest())


def verify_all(items: Iterable[DataItem]) -> list[bool]:
    """Whether each item is what its key signed, one after the other."""
    return [item.signed.is_valid for item in items]


def message_of(item: DataItem) -> Message:
    """What the log keeps of an item."""
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
    """What a signer needs to make a data item.

    Args:
        kind: ANS-104's signature type.
        public_key: the signer's, as long as its kind has it.
        target: 32 bytes, or none.
        anchor: 32 bytes, or none.
        tags: name and value of each.
        data: the rest.

    Returns:
        The 48 bytes to sign, and everything that follows the signature.

    Raises:
        ValueError: a part is longer than the format allows.
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
    return _signed_bytes(kind, public_key, target, anchor, block, data), rest


def _scheme(raw: bytes) -> Scheme:
    """How an item is signed."""
    if not raw:
        raise ItemRefused("the item is empty")
    kind = int.from_bytes(raw[:2], "little")
    scheme = SCHEMES.get(kind)
    if scheme is None:
        known = ", ".join(f"{kind} {scheme.name}" for kind, scheme in SCHEMES.items())
        raise ItemRefused(f"unknown signature type {kind}; known are {known}")
    return scheme


def _optional(raw: bytes, position: int, what: str) -> tuple[bytes, int]:
    """A target or an anchor, and where it ends."""
    present = raw[position : position + 1]
    if present == b"\0":
        return b"", position + 1
    stop = position + 1 + TARGET_BYTES
    if present == b"\1" and len(raw) >= stop:
        return raw[position + 1 : stop], stop
    if present > b"\1":
        raise ItemRefused(f"the presence byte of the {what} is {present[0]}; it has to be 0 or 1")
    raise _truncated(what)


def _truncated(what: str) -> ItemRefused:
    return ItemRefused(f"the item is truncated: it ends within its {what}")


# The deep hash (SHA-384) of ["dataitem", "1", type, owner, target, anchor, tag block, data]: bytes b hash to
# H(H("blob" + length) + H(b)), a list to H(… H(H("list" + count) + deep(first)) … + deep(last)). What is the same in
# one sender's messages to one target is hashed once.


def _signed_bytes(kind: int, public_key: bytes, target: bytes, anchor: bytes, block: bytes, data: bytes) -> bytes:
    hashed = _conversation(kind, public_key, target)
    hashed = sha384(hashed + _blob(anchor)).digest()
    hashed = sha384(hashed + _blob_again(block)).digest()
    return sha384(hashed + _blob(data)).digest()


@lru_cache(maxsize=16384)
def _conversation(kind: int, public_key: bytes, target: bytes) -> bytes:
    hashed = sha384(_kind(kind) + _blob(public_key)).digest()
    return sha384(hashed + _blob(target)).digest()


@cache
def _kind(kind: int) -> bytes:
    hashed = sha384(b"list8").digest()
    for part in (b"dataitem", b"1", b"%d" % kind):
        hashed = sha384(hashed + _blob(part)).digest()
    return hashed


def _blob(part: bytes) -> bytes:
    return sha384(_blob_tag(len(part)) + sha384(part).digest()).digest()


_blob_again = lru_cache(maxsize=4096)(_blob)
"""Senders use the same few tag blocks over and over; a block is at most 4 KiB."""


@lru_cache(maxsize=4096)
def _blob_tag(length: int) -> bytes:
    return sha384(b"blob%d" % length).digest()
