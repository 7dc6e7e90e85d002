"""The kinds of keys that sign messages, as ANS-104 numbers them."""

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
    """One kind."""

    kind: int
    """ANS-104's signature type."""
    name: str
    signature: slice
    """Where an item holds its signature …"""
    key: slice
    """… and its public key."""
    address: Callable[[bytes], str]
    """Who the owner of a public key is."""
    is_valid: Callable[[bytes, bytes, bytes], bool]
    """Whether a signature (first) of a text (second) is a public key's (third)."""


@lru_cache(maxsize=4096)
def address(public_key: bytes) -> str:
    """An Ed25519 or Arweave key's address: base64url(SHA-256(public key))."""
    return encode_id(sha256(public_key).digest())


def _rsa(signature: bytes, text: bytes, public_key: bytes) -> bool:
    from actors.crypto.rsa_pss import is_valid  # few logs need it, and it takes long to import

    return is_valid(signature, text, public_key)


def _secp256k1(signature: bytes, text: bytes, public_key: bytes) -> bool:
    try:
        return public_key[:1] == _UNCOMPRESSED and signing_key(text, signature) == public_key
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
    key_starts = _KIND_BYTES + signature_bytes
    return Scheme(
        kind,
        name,
        slice(_KIND_BYTES, key_starts),
        slice(key_starts, key_starts + key_bytes),
        address_of,
        is_valid,
    )


SCHEMES = {
    scheme.kind: scheme
    for scheme in (
        _scheme(ARWEAVE, "Arweave (RSA-4096)", 512, 512, address, _rsa),
        _scheme(ED25519, "Ed25519", 64, 32, address, ed25519.is_valid),
        _scheme(ETHEREUM, "Ethereum (secp256k1)", 65, 65, ethereum_address, _secp256k1),
    )
}
