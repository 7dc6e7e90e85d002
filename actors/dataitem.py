"""Signed messages from outside: data items as in ANS-104, the format that AO's clients send.

Layout (integers little-endian): signature type (2 bytes), signature, owner's public key, target (a presence byte and 32
bytes), anchor (likewise), number of tags (8), length of the tag block (8), tag block (Avro), data (the rest).
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256, sha384
from struct import Struct
from typing import NamedTuple

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from actors.avrotags import TagsMalformed, decode_tags, encode_tags
from actors.jsontext import encode
from eventstore import Message
from eventstore.records import encode_id

DATA_BYTES_MAX = 100 * 1024
"""Default limit of a message's data."""
ANCHOR_BYTES = TARGET_BYTES = 32
ED25519 = 2


class _Scheme(NamedTuple):
    name: str
    signature_bytes: int
    key_bytes: int


_SCHEMES = {
    1: _Scheme("Arweave (RSA-4096)", 512, 512),
    ED25519: _Scheme("Ed25519", 64, 32),
    3: _Scheme("Ethereum (secp256k1)", 65, 65),
}


_SIGNATURE, _KEY, _TARGET = slice(2, 66), slice(66, 98), slice(98, 131)
"""Where an Ed25519 item holds them, the target with its presence byte."""
_COUNTS = Struct("<QQ")
"""The number of tags, and the length of their block."""


class ItemRefused(Exception):
    """A data item that is not taken, with the reason. Nothing of it is in the log."""


class DataItem(NamedTuple):
    """A data item, read but not yet verified."""

    id: str
    """base64url(SHA-256(signature))."""
    sender: str
    """Address of the key that signed: base64url(SHA-256(public key))."""
    signature: bytes
    public_key: bytes
    target: str
    """Process id, or empty."""
    anchor: bytes
    tags: list[tuple[str, str]]
    data: bytes
    envelope: bytes
    """The item up to its data."""
    signed: bytes
    """The 48 bytes that the signature covers."""

    @property
    def starts_process(self) -> bool:
        """Whether the item is a process itself: of that type, and sent to none."""
        return not self.target and self.tag("Type") == "Process"

    def tag(self, name: str) -> str:
        """The first tag of that name, or empty."""
        return next((value for key, value in self.tags if key == name), "")

    def verify(self) -> None:
        """Check the signature.

        Raises:
            ItemRefused: the item is not what its key signed.
        """
        try:
            crypto_sign_open(self.signature + self.signed, self.public_key)
        except BadSignatureError:
            raise ItemRefused("the signature does not match: the item was forged or changed on its way") from None


def parse(raw: bytes, *, data_bytes_max: int = DATA_BYTES_MAX) -> DataItem:
    """Read a data item's bytes.

    Raises:
        ItemRefused: it is truncated, malformed, oversized or signed in a way that is not supported.
    """
    if not raw:
        raise ItemRefused("the item is empty")
    kind = int.from_bytes(raw[:2], "little")
    scheme = _SCHEMES.get(kind)
    if scheme is None:
        raise ItemRefused(f"unknown signature type {kind}: sign with Ed25519 (type {ED25519})")
    if kind != ED25519:
        raise ItemRefused(f"signature type {kind}, {scheme.name}, is not supported: sign with Ed25519 (type {ED25519})")
    signature, public_key = raw[_SIGNATURE], raw[_KEY]
    if len(public_key) < scheme.key_bytes:
        raise _truncated("signature" if len(signature) < scheme.signature_bytes else "public key")
    target, position = _optional(raw, _KEY.stop, "target")
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
        raise ItemRefused(f"the data is {len(data):,} bytes; at most {data_bytes_max:,} are taken")
    try:
        tags = decode_tags(block, tag_count)
    except TagsMalformed as error:
        raise ItemRefused(str(error)) from None
    return DataItem(
        id=encode_id(sha256(signature).digest()),
        sender=address(public_key),
        signature=signature,
        public_key=public_key,
        target=encode_id(target) if target else "",
        anchor=anchor,
        tags=tags,
        data=data,
        envelope=raw[:position],
        signed=_signed_bytes(public_key, target, anchor, block, data),
    )


def mailbox_of(raw: bytes) -> bytes:
    """Which target an item names, without reading the rest: equal bytes for equal targets."""
    return raw[_TARGET]


def item_id(raw: bytes) -> str:
    """The id of an Ed25519 item, without reading the rest."""
    return encode_id(sha256(raw[_SIGNATURE]).digest())


def verify_all(items: Iterable[DataItem]) -> list[ItemRefused | None]:
    """Verify items one after the other; gives the refusal of each, or None for one that is genuine."""
    refusals: list[ItemRefused | None] = []
    for item in items:
        try:
            item.verify()
        except ItemRefused as refusal:
            refusals.append(refusal)
        else:
            refusals.append(None)
    return refusals


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
    *, public_key: bytes, target: bytes, anchor: bytes, tags: list[tuple[str, str]], data: bytes
) -> tuple[bytes, bytes]:
    """What a signer needs to make an Ed25519 data item.

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
    return _signed_bytes(public_key, target, anchor, block, data), rest


@lru_cache(maxsize=4096)
def address(public_key: bytes) -> str:
    """An Ed25519 or Arweave key's address."""
    return encode_id(sha256(public_key).digest())


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


def _signed_bytes(public_key: bytes, target: bytes, anchor: bytes, block: bytes, data: bytes) -> bytes:
    hashed = _conversation(public_key, target)
    hashed = sha384(hashed + _blob(anchor)).digest()
    hashed = sha384(hashed + _blob_again(block)).digest()
    return sha384(hashed + _blob(data)).digest()


@lru_cache(maxsize=16384)
def _conversation(public_key: bytes, target: bytes) -> bytes:
    hashed = sha384(b"list8").digest()
    for part in (b"dataitem", b"1", b"%d" % ED25519, public_key, target):
        hashed = sha384(hashed + _blob(part)).digest()
    return hashed


def _blob(part: bytes) -> bytes:
    return sha384(_blob_tag(len(part)) + sha384(part).digest()).digest()


_blob_again = lru_cache(maxsize=4096)(_blob)
"""Senders use the same few tag blocks over and over; a block is at most 4 KiB."""


@lru_cache(maxsize=4096)
def _blob_tag(length: int) -> bytes:
    return sha384(b"blob%d" % length).digest()
