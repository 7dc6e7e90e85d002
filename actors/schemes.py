"""The kinds of keys that sign messages, as ANS-104 numbers them."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from coincurve import PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from eventstore.records import encode_id

ARWEAVE, ED25519, ETHEREUM = 1, 2, 3
RSA_EXPONENT = 65537
_KIND_BYTES = 2
_UNCOMPRESSED = b"\x04"
_RECOVERY = {27: b"\0", 28: b"\1"}
"""The last byte of an Ethereum signature, and what it says. Others say the same of the same signature, and would give
one message a second id.
"""
_HALF_ORDER = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
"""The highest s that a signature may have (EIP-2): n - s is as good to the curve, and would give a second id."""


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
    genuine: Callable[[bytes, bytes, bytes], bool]
    """Whether a signature (first) of a text (second) is a public key's (third)."""


def eip191(text: bytes) -> bytes:
    """What an Ethereum wallet hashes when it signs a text (EIP-191, version 0x45)."""
    return b"\x19Ethereum Signed Message:\n%d" % len(text) + text


@lru_cache(maxsize=4096)
def address(public_key: bytes) -> str:
    """An Ed25519 or Arweave key's address: base64url(SHA-256(public key))."""
    return encode_id(sha256(public_key).digest())


@lru_cache(maxsize=4096)
def ethereum_address(public_key: bytes) -> str:
    """An Ethereum key's address: the last 20 bytes of Keccak-256 of its point, with the checksum of EIP-55."""
    return str(to_checksum_address(keccak(public_key[1:])[-20:]))


def _ed25519(signature: bytes, text: bytes, public_key: bytes) -> bool:
    try:
        crypto_sign_open(signature + text, public_key)
    except BadSignatureError:
        return False
    return True


def _rsa(signature: bytes, text: bytes, public_key: bytes) -> bool:
    try:
        _rsa_key(public_key).verify(signature, text, PSS(MGF1(SHA256()), PSS.AUTO), SHA256())
    except (InvalidSignature, ValueError):  # ValueError: the modulus is none
        return False
    return True


@lru_cache(maxsize=1024)
def _rsa_key(modulus: bytes) -> RSAPublicKey:
    return RSAPublicNumbers(RSA_EXPONENT, int.from_bytes(modulus)).public_key()


def _secp256k1(signature: bytes, text: bytes, public_key: bytes) -> bool:
    recovery = _RECOVERY.get(signature[64])
    if recovery is None or public_key[:1] != _UNCOMPRESSED or int.from_bytes(signature[32:64]) > _HALF_ORDER:
        return False
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + recovery, keccak(eip191(text)), hasher=None)
    except Exception:  # the library raises what it likes for what is no signature
        return False
    return bool(key.format(compressed=False) == public_key)


def _scheme(
    kind: int,
    name: str,
    signature_bytes: int,
    key_bytes: int,
    address_of: Callable[[bytes], str],
    genuine: Callable[[bytes, bytes, bytes], bool],
) -> Scheme:
    key_starts = _KIND_BYTES + signature_bytes
    return Scheme(
        kind,
        name,
        slice(_KIND_BYTES, key_starts),
        slice(key_starts, key_starts + key_bytes),
        address_of,
        genuine,
    )


SCHEMES = {
    scheme.kind: scheme
    for scheme in (
        _scheme(ARWEAVE, "Arweave (RSA-4096)", 512, 512, address, _rsa),
        _scheme(ED25519, "Ed25519", 64, 32, address, _ed25519),
        _scheme(ETHEREUM, "Ethereum (secp256k1)", 65, 65, ethereum_address, _secp256k1),
    )
}
