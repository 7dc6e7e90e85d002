import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey, SealedBox

from simulations.clients.encryption import (
    CannotOpen,
    decrypt,
    encrypt,
    open_session_key,
    public_key_of,
    public_key_text,
    seal_session_key,
)

ALICE, EVE = PrivateKey(bytes([1]) * 32), PrivateKey(bytes([2]) * 32)
SESSION_KEY = bytes([3]) * 32


def zeros(count: int) -> bytes:
    return bytes([7]) * count


def test_what_is_sealed_is_what_libsodiums_sealed_box_opens() -> None:
    from base64 import b64decode

    sealed = seal_session_key(SESSION_KEY, ALICE.public_key, zeros)
    assert SealedBox(ALICE).decrypt(b64decode(sealed)) == SESSION_KEY == open_session_key(sealed, ALICE)
    assert sealed == seal_session_key(SESSION_KEY, ALICE.public_key, zeros)  # the same randomness, the same bytes


def test_nobody_else_opens_a_sealed_key() -> None:
    sealed = seal_session_key(SESSION_KEY, ALICE.public_key, zeros)
    for wrong, key in ((sealed, EVE), ("not base64!", ALICE), ("AAAA", ALICE), ("", ALICE)):
        with pytest.raises(CannotOpen):
            open_session_key(wrong, key)


@given(text=st.text(max_size=200))
def test_a_message_is_read_under_its_key_and_under_no_other(text: str) -> None:
    content = encrypt(text, SESSION_KEY, zeros)
    assert decrypt(content, SESSION_KEY) == text
    with pytest.raises(CannotOpen):
        decrypt(content, bytes(32))
    with pytest.raises(CannotOpen):
        decrypt(content[:-8] + "AAAAAAA=", SESSION_KEY)


def test_a_public_key_is_read_from_a_profile() -> None:
    assert public_key_of(public_key_text(ALICE.public_key)) == ALICE.public_key
    for wrong in ("", "short", "AAAA"):
        with pytest.raises(CannotOpen, match="not a public key"):
            public_key_of(wrong)
