"""The bytes that a data item's signature covers: the deep hash of ANS-104.

It is the SHA-384 deep hash of ["dataitem", "1", type, owner, target, anchor, tag block, data]. Bytes b hash to
H(H("blob" + length) + H(b)), a list to H(… H(H("list" + count) + deep(first)) … + deep(last)). The parts that repeat in
one sender's messages to one target are cached.
"""

from functools import cache, lru_cache
from hashlib import sha384


def signed_bytes(kind: int, public_key: bytes, target: bytes, anchor: bytes, block: bytes, data: bytes) -> bytes:
    """The 48 bytes that the owner of an item signs."""
    hashed = _hash_up_to_target(kind, public_key, target)
    hashed = sha384(hashed + _blob(anchor)).digest()
    hashed = sha384(hashed + _cached_blob(block)).digest()
    return sha384(hashed + _blob(data)).digest()


@lru_cache(maxsize=16384)
def _hash_up_to_target(kind: int, public_key: bytes, target: bytes) -> bytes:
    hashed = sha384(_hash_up_to_type(kind) + _blob(public_key)).digest()
    return sha384(hashed + _blob(target)).digest()


@cache
def _hash_up_to_type(kind: int) -> bytes:
    hashed = sha384(b"list8").digest()
    for part in (b"dataitem", b"1", b"%d" % kind):
        hashed = sha384(hashed + _blob(part)).digest()
    return hashed


def _blob(part: bytes) -> bytes:
    return sha384(_blob_length(len(part)) + sha384(part).digest()).digest()


_cached_blob = lru_cache(maxsize=4096)(_blob)
"""Cached for tag blocks: senders repeat the same few, and a block has at most 4 KiB."""


@lru_cache(maxsize=4096)
def _blob_length(length: int) -> bytes:
    return sha384(b"blob%d" % length).digest()
