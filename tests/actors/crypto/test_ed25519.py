"""Ed25519 verification: the verdict equals libsodium's for every signature."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey
from vodozemac import Ed25519PublicKey, Ed25519Signature

from actors.crypto.ed25519 import is_valid

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
IDENTITY = (1).to_bytes(32, "little")
OF_ORDER_2 = (PRIME - 1).to_bytes(32, "little")
OF_ORDER_4 = bytes(32)
OF_ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
UNCANONICAL = [(PRIME + y).to_bytes(32, "little") for y in range(19)]
SMALL = [IDENTITY, OF_ORDER_2, OF_ORDER_4, OF_ORDER_8, *UNCANONICAL]
SMALL += [point[:31] + bytes([point[31] | 0x80]) for point in SMALL]


def libsodium_accepts(signature: bytes, text: bytes, public_key: bytes) -> bool:
    try:
        crypto_sign_open(signature + text, public_key)
    except BadSignatureError:
        return False
    return True


def scalar(number: int) -> bytes:
    return (number % ORDER).to_bytes(32, "little")


def challenge(nonce_point: bytes, public_key: bytes, text: bytes) -> int:
    return int.from_bytes(sha512(nonce_point + public_key + text).digest(), "little")


def secret(seed: bytes) -> int:
    """The scalar of a seed (RFC 8032, 5.1.5)."""
    digest = sha512(seed).digest()[:32]
    return int.from_bytes(digest, "little") & ((1 << 254) - 8) | (1 << 254)


def odd_signatures(text: bytes, seed: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Signatures that implementations disagree about: description, signature and public key.

    Making them needs the secret key, or a key of small order, which needs none.
    """
    public_key, _ = crypto_sign_seed_keypair(seed)
    for point in SMALL:
        yield "a key of small order, and nothing else", point + scalar(0), point
        yield "a nonce of small order", point + scalar(challenge(point, public_key, text) * secret(seed)), public_key
        nonce = crypto_scalarmult_ed25519_base_noclamp(scalar(7))
        yield "a key of small order and a nonce", nonce + scalar(7), point
    nonce = crypto_scalarmult_ed25519_base_noclamp(scalar(11))
    for of_small_order in (OF_ORDER_2, OF_ORDER_4, OF_ORDER_8):
        mixed = crypto_core_ed25519_add(public_key, of_small_order)
        yield "a key of mixed order", nonce + scalar(11 + challenge(nonce, mixed, text) * secret(seed)), mixed
        mixed = crypto_core_ed25519_add(nonce, of_small_order)
        s = scalar(11 + challenge(mixed, public_key, text) * secret(seed))
        yield "a nonce of mixed order", mixed + s, public_key


def vodozemac_accepts(signature: bytes, text: bytes, public_key: bytes) -> bool:
    with suppress(ValueError):
        key = Ed25519PublicKey.from_base64(b64encode(public_key).decode())
        key.verify_signature(text, Ed25519Signature.from_base64(b64encode(signature).decode()))
        return True
    return False


@given(seed=st.binary(min_size=32, max_size=32), text=st.binary(max_size=200), flipped=st.integers(0, 8 * 96 - 1))
def test_a_signature_is_taken_and_none_that_differs_in_a_bit(seed: bytes, text: bytes, flipped: int) -> None:
    key = SigningKey(seed)
    signature, public_key = key.sign(text).signature, bytes(key.verify_key)
    assert is_valid(signature, text, public_key)
    assert not is_valid(signature, text + b"\0", public_key)
    both = bytearray(signature + public_key)
    both[flipped // 8] ^= 1 << flipped % 8
    assert not is_valid(bytes(both[:64]), text, bytes(both[64:]))


@given(seed=st.binary(min_size=32, max_size=32), text=st.binary(max_size=64))
def test_what_implementations_differ_about_is_answered_as_libsodium_does(seed: bytes, text: bytes) -> None:
    for description, signature, public_key in odd_signatures(text, seed):
        assert is_valid(signature, text, public_key) == libsodium_accepts(signature, text, public_key), description


@given(seed=st.binary(min_size=32, max_size=32), text=st.binary(max_size=64))
def test_a_scalar_beyond_the_order_is_refused(seed: bytes, text: bytes) -> None:
    key = SigningKey(seed)
    signature, public_key = key.sign(text).signature, bytes(key.verify_key)
    s = int.from_bytes(signature[32:], "little")
    for beyond in range(s + ORDER, 1 << 256, ORDER):
        assert not is_valid(signature[:32] + beyond.to_bytes(32, "little"), text, public_key)


def test_the_odd_signatures_are_odd() -> None:
    """The odd signatures test nothing if libraries accept all of them, or none."""
    verdicts = {
        (libsodium_accepts(signature, bytes([n]), key), vodozemac_accepts(signature, bytes([n]), key))
        for n in range(16)
        for _, signature, key in odd_signatures(bytes([n]), bytes(32))
    }
    assert verdicts >= {(True, True), (False, False)}


@pytest.mark.parametrize("public_key", [b"", bytes(31), bytes(33), b"\2" + bytes(31)])
def test_what_is_no_key_signed_nothing(public_key: bytes) -> None:
    assert not is_valid(SigningKey(bytes(32)).sign(b"text").signature, b"text", public_key)


@pytest.mark.parametrize("size", [0, 32, 63, 65, 128])
def test_what_is_no_signature_is_nobodys(size: int) -> None:
    assert not is_valid(bytes(size), b"text", bytes(SigningKey(bytes(32)).verify_key))
