"""The encryption of a conversation: session keys are sealed to people, messages are encrypted under session keys."""

from base64 import b64decode, b64encode
from collections.abc import Callable

from nacl.bindings import crypto_box
from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

Entropy = Callable[[int], bytes]
"""Returns the given number of random bytes: from the operating system, or in a simulation from its seed."""


class CannotOpen(Exception):
    """A ciphertext does not belong to the key, or a text is not a public key."""


def seal_session_key(session_key: bytes, public_key: PublicKey, entropy: Entropy) -> str:
    """Seal a session key to a person's public key; returns base64."""
    return b64encode(seal(session_key, public_key, entropy)).decode()


def seal(secret: bytes, public_key: PublicKey, entropy: Entropy) -> bytes:
    """Seal a secret to a public key, in the format of libsodium's sealed box.

    The format is: ephemeral public key ‖ box under the nonce BLAKE2b-24(ephemeral public key ‖ receiver's public key).
    ``SealedBox`` draws the ephemeral key itself, but a simulation needs the same bytes from the same seed.
    """
    ephemeral = PrivateKey(entropy(PrivateKey.SIZE))
    sender, receiver = bytes(ephemeral.public_key), bytes(public_key)
    nonce = blake2b(sender + receiver, digest_size=24, encoder=RawEncoder)
    return sender + crypto_box(secret, nonce, receiver, bytes(ephemeral))


def open_session_key(sealed: str, private_key: PrivateKey) -> bytes:
    """Open a sealed session key.

    Raises:
        CannotOpen: the session key was sealed to another key, or changed.
    """
    try:
        return SealedBox(private_key).decrypt(b64decode(sealed, validate=True))
    except (CryptoError, ValueError) as error:
        raise CannotOpen(f"the session key was not sealed to this key ({error})") from None


def encrypt(text: str, session_key: bytes, entropy: Entropy) -> str:
    """Encrypt a message in libsodium's secret box; returns base64."""
    return b64encode(SecretBox(session_key).encrypt(text.encode(), entropy(SecretBox.NONCE_SIZE))).decode()


def decrypt(content: str, session_key: bytes) -> str:
    """Decrypt a message.

    Raises:
        CannotOpen: the message was encrypted under another key, or changed.
    """
    try:
        return SecretBox(session_key).decrypt(b64decode(content, validate=True)).decode()
    except (CryptoError, ValueError) as error:
        raise CannotOpen(f"the message was not encrypted under this key ({error})") from None


def public_key_text(key: PublicKey) -> str:
    """Encode a public key as profiles and key batches contain it: base64."""
    return b64encode(bytes(key)).decode()


def public_key_of(text: str) -> PublicKey:
    """Decode the public key of a profile.

    Raises:
        CannotOpen: the text is not a public key.
    """
    try:
        return PublicKey(b64decode(text, validate=True))
    except (CryptoError, ValueError, TypeError):
        raise CannotOpen(f"{text[:64]!r} is not a public key to seal to") from None
