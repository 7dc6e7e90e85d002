"""The encryption of a conversation: session keys sealed to people, messages under session keys (PyNaCl)."""

from base64 import b64decode, b64encode
from collections.abc import Callable

from nacl.bindings import crypto_box
from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

Entropy = Callable[[int], bytes]
"""Gives that many random bytes: the operating system's, or a simulation's from its seed."""


class CannotOpen(Exception):
    """The key does not open this."""


def seal_session_key(session_key: bytes, public_key: PublicKey, entropy: Entropy) -> str:
    """Seal a session key to a person: base64 of ``seal``."""
    return b64encode(seal(session_key, public_key, entropy)).decode()


def seal(secret: bytes, public_key: PublicKey, entropy: Entropy) -> bytes:
    """Libsodium's sealed box.

    ``SealedBox`` draws its ephemeral key itself. A simulation needs the same bytes from the same seed, so the same
    format is made here from a given one: ephemeral public key ‖ box under nonce BLAKE2b-24(ephemeral ‖ receiver).
    """
    ephemeral = PrivateKey(entropy(PrivateKey.SIZE))
    ours, theirs = bytes(ephemeral.public_key), bytes(public_key)
    nonce = blake2b(ours + theirs, digest_size=24, encoder=RawEncoder)
    return ours + crypto_box(secret, nonce, theirs, bytes(ephemeral))


def open_session_key(sealed: str, private_key: PrivateKey) -> bytes:
    """Open a sealed session key.

    Raises:
        CannotOpen: it was sealed to somebody else, or changed.
    """
    try:
        return SealedBox(private_key).decrypt(b64decode(sealed, validate=True))
    except (CryptoError, ValueError) as error:
        raise CannotOpen(f"the session key was not sealed to this key ({error})") from None


def encrypt(text: str, session_key: bytes, entropy: Entropy) -> str:
    """Encrypt a message: base64 of libsodium's secret box."""
    return b64encode(SecretBox(session_key).encrypt(text.encode(), entropy(SecretBox.NONCE_SIZE))).decode()


def decrypt(content: str, session_key: bytes) -> str:
    """Decrypt a message.

    Raises:
        CannotOpen: it was encrypted under another key, or changed.
    """
    try:
        return SecretBox(session_key).decrypt(b64decode(content, validate=True)).decode()
    except (CryptoError, ValueError) as error:
        raise CannotOpen(f"the message was not encrypted under this key ({error})") from None


def public_key_text(key: PublicKey) -> str:
    """A public key as profiles and key batches carry it: base64."""
    return b64encode(bytes(key)).decode()


def public_key_of(text: str) -> PublicKey:
    """The public key of a profile.

    Raises:
        CannotOpen: it is none.
    """
    try:
        return PublicKey(b64decode(text, validate=True))
    except (CryptoError, ValueError, TypeError):
        raise CannotOpen(f"{text[:64]!r} is not a public key to seal to") from None
