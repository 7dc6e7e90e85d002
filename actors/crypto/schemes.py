"""Signature schemes of data items, by their ANS-104 signature type."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from actors.crypto import ed25519
from actors.crypto.secp256k1 import ethereum_address, signing_key
from eventstore.records import encode_id

ARWEAVE, ED25519, ETHEREUM = 1, 2, 3
_KIND_BYTES = 2
_UNCOMPRESSED = b"\x04"


class Scheme(NamedTuple):
    """A signature scheme: where an item holds signature and key, and how to verify them."""

    kind: int
    """ANS-104's signature type."""
    name: str
    signature: slice
    """Bytes of an item that hold its signature."""
    key: slice
    """Bytes of an item that hold its public key."""
    address: Callable[[bytes], str]
    """Maps a public key to its owner's address."""
    is_valid: Callable[[bytes, bytes, bytes], bool]
    """Takes signature, data and public key; whether the signature matches."""


@lru_cache(maxsize=4096)
def address(public_key: bytes) -> str:
    """The address of an Ed25519 or Arweave key: base64url(SHA-256(public key))."""
    return encode_id(sha256(public_key).digest())


def _is_valid_rsa_pss(signature: bytes, data: bytes, public_key: bytes) -> bool:
    from actors.crypto.rsa_pss import is_valid  # imported on first use: the import is slow, and few logs need it

    return is_valid(signature, data, public_key)


def _is_valid_secp256k1(signature: bytes, data: bytes, public_key: bytes) -> bool:
    try:
        return public_key[:1] == _UNCOMPRESSED and signing_key(data, signature) == public_key
    except ValueError:
        return False


def _scheme(
    kind: int,
    name: str,
    signature_bytes: int,
    key_bytes: int,
    address_of: Callable[[bytes], str],
    is_valid: Callable[[bytes, bytes, bytes], bool],
) -> Scheme:
    key_start = _KIND_BYTES + signature_bytes
    return Scheme(
        kind,
        name,
        slice(_KIND_BYTES, key_start),
        slice(key_start, key_start + key_bytes),
        address_of,
        is_valid,
    )


SCHEMES = {
    scheme.kind: scheme
    for scheme in (
        _scheme(ARWEAVE, "Arweave (RSA-4096)", 512, 512, address, _is_valid_rsa_pss),
        _scheme(ED25519, "Ed25519", 64, 32, address, ed25519.is_valid),
        _scheme(ETHEREUM, "Ethereum (secp256k1)", 65, 65, ethereum_address, _is_valid_secp256k1),
    )
}
"""Every supported scheme by its signature type. A new scheme needs one entry here."""
