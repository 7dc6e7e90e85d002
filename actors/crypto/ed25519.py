"""Ed25519 signatures (RFC 8032), as libsodium judges them and faster.

Implementations differ about signatures that only the owner of an odd key can make: keys and nonces of small order, keys
that are not written canonically, equations that hold up to the cofactor. A log must not depend on who reads it, so
libsodium has the last word: vodozemac, which takes two thirds of the time, is asked first and only believed where it
says yes and both must.
"""

from binascii import b2a_base64
from functools import lru_cache

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from vodozemac import Ed25519PublicKey, Ed25519Signature, SignatureException

_KEY_BYTES, _NONCE_BYTES, _SIGNATURE_BYTES = 32, 32, 64
_PRIME = 2**255 - 19
_SIGN = 1 << 255
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset(
    (y | sign).to_bytes(_KEY_BYTES, "little")
    for y in (0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8)
    for sign in (0, _SIGN)
)
"""The eight points whose order divides the cofactor, as they are written, and what else libsodium reads as them."""


def is_valid(signature: bytes, text: bytes, public_key: bytes) -> bool:
    """Whether a signature (64 bytes) of a text is a public key's (32 bytes)."""
    if (len(signature), len(public_key)) != (_SIGNATURE_BYTES, _KEY_BYTES):  # both libraries rely on it
        return False
    return _surely(signature, text, public_key) or _judged(signature, text, public_key)


def _surely(signature: bytes, text: bytes, public_key: bytes) -> bool:
    key = _key(public_key)
    if key is None or signature[:_NONCE_BYTES] in _SMALL_ORDER:
        return False
    try:
        key.verify_signature(text, Ed25519Signature.from_base64(_base64(signature)))
    except SignatureException:
        return False
    return True


def _judged(signature: bytes, text: bytes, public_key: bytes) -> bool:
    try:
        crypto_sign_open(signature + text, public_key)
    except BadSignatureError:
        return False
    return True


@lru_cache(maxsize=4096)
def _key(public_key: bytes) -> Ed25519PublicKey | None:
    """None: a key about which implementations may differ."""
    if public_key in _SMALL_ORDER or int.from_bytes(public_key, "little") % _SIGN >= _PRIME:
        return None
    try:
        return Ed25519PublicKey.from_base64(_base64(public_key))
    except ValueError:  # no point of the curve
        return None


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()
