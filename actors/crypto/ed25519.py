"""Verifies Ed25519 signatures (RFC 8032) with libsodium's verdict, faster than libsodium.

Implementations disagree about some signatures that only the owner of an unusual key can make: keys and nonces of small
order, keys in non-canonical encoding, equations that hold only up to the cofactor. Every reader of a log must reach the
same verdict, so libsodium decides. vodozemac takes two thirds of libsodium's time, so it runs first. Its acceptance
counts only for keys and nonces for which libsodium has to accept too; libsodium verifies everything else.
"""

from binascii import b2a_base64
from functools import lru_cache

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from vodozemac import Ed25519PublicKey, Ed25519Signature, SignatureException

_KEY_BYTES, _NONCE_BYTES, _SIGNATURE_BYTES = 32, 32, 64
_PRIME = 2**255 - 19
_SIGN_BIT = 1 << 255
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset(
    (y | sign).to_bytes(_KEY_BYTES, "little")
    for y in (0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8)
    for sign in (0, _SIGN_BIT)
)
"""Encodings of the eight points whose order divides the cofactor, and the other encodings that libsodium decodes to
them.
"""


def is_valid(signature: bytes, data: bytes, public_key: bytes) -> bool:
    """Whether a public key (32 bytes) made a signature (64 bytes) of some data."""
    if (len(signature), len(public_key)) != (_SIGNATURE_BYTES, _KEY_BYTES):  # neither library checks the lengths
        return False
    return _is_valid_by_vodozemac(signature, data, public_key) or _is_valid_by_libsodium(signature, data, public_key)


def _is_valid_by_vodozemac(signature: bytes, data: bytes, public_key: bytes) -> bool:
    """Whether vodozemac accepts; False also where implementations may disagree."""
    key = _unambiguous_key(public_key)
    if key is None or signature[:_NONCE_BYTES] in _SMALL_ORDER:
        return False
    try:
        key.verify_signature(data, Ed25519Signature.from_base64(_base64(signature)))
    except SignatureException:
        return False
    return True


def _is_valid_by_libsodium(signature: bytes, data: bytes, public_key: bytes) -> bool:
    try:
        crypto_sign_open(signature + data, public_key)
    except BadSignatureError:
        return False
    return True


@lru_cache(maxsize=4096)
def _unambiguous_key(public_key: bytes) -> Ed25519PublicKey | None:
    """A parsed key; None for one about which implementations may disagree."""
    if public_key in _SMALL_ORDER or int.from_bytes(public_key, "little") % _SIGN_BIT >= _PRIME:
        return None
    try:
        return Ed25519PublicKey.from_base64(_base64(public_key))
    except ValueError:  # not a point of the curve
        return None


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()
