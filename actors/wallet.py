"""A wallet: an Ed25519 key pair that signs a person's messages."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from actors.dataitem import ED25519, address, unsigned
from eventstore.records import decode_id

SEED_BYTES = 32


def key_path(log: Path) -> Path:
    """Where the key of a log's node lies: beside the log, never in it."""
    return log.with_name(log.name + ".key")


class WalletError(Exception):
    """A key file that cannot be read or written; says which and why."""


class Wallet:
    """An Ed25519 signing key. Its address, base64url(SHA-256(public key)), is who its owner is."""

    def __init__(self, seed: bytes) -> None:
        """Args:
        seed: the 32 secret bytes of the key.
        """
        self._key = SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)
        self.address = address(self.public_key)

    @classmethod
    def create(cls) -> "Wallet":
        """A new wallet from the operating system's randomness."""
        return cls(os.urandom(SEED_BYTES))

    def sign(
        self,
        *,
        target: str = "",
        action: str = "",
        data: bytes | str = b"",
        tags: Sequence[tuple[str, str]] = (),
        anchor: bytes = b"",
    ) -> bytes:
        """A signed data item (ANS-104, signature type 2).

        Two items that say the same have the same id, and the second is taken for the first sent again; give each its
        own anchor (32 bytes) where that is not meant.

        Args:
            target: process id, or empty for an item that is a process itself.
            action: becomes the first tag, ``Action``.
            data: bytes, or text that is sent as UTF-8.
            tags: further tags, name and value.
            anchor: 32 bytes, or none.

        Raises:
            ValueError: the target is no id, or a part is longer than the format allows.
        """
        signed, rest = unsigned(
            public_key=self.public_key,
            target=decode_id(target) if target else b"",
            anchor=anchor,
            tags=[("Action", action), *tags] if action else list(tags),
            data=data.encode() if isinstance(data, str) else data,
        )
        return ED25519.to_bytes(2, "little") + self._key.sign(signed).signature + rest

    def signature(self, text: bytes) -> bytes:
        """The Ed25519 signature (64 bytes) of a text."""
        return bytes(self._key.sign(text).signature)

    def save(self, path: str | Path) -> None:
        """Write the key to a new file that only its owner can read (mode 0600), as a JSON Web Key (RFC 8037).

        Raises:
            WalletError: the file exists, or cannot be written.
        """
        key = {"kty": "OKP", "crv": "Ed25519", "x": _base64(self.public_key), "d": _base64(bytes(self._key))}
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(msgspec.json.encode(key) + b"\n")
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise WalletError(f"the key file {path} cannot be written ({error.strerror})") from None

    @classmethod
    def load_or_create(cls, path: Path) -> "Wallet":
        """The wallet of a key file, which is made where it is missing.

        Raises:
            WalletError: the file cannot be read or written.
        """
        if path.exists():
            return cls.load(path)
        wallet = cls.create()
        wallet.save(path)
        return wallet

    @classmethod
    def load(cls, path: str | Path) -> "Wallet":
        """Read a key file.

        Raises:
            WalletError: it is missing, unreadable, or no Ed25519 key.
        """
        try:
            key = msgspec.json.decode(Path(path).read_bytes(), type=dict[str, str])
            if key.get("crv") != "Ed25519":
                raise ValueError("crv is not Ed25519")
            wallet = cls(urlsafe_b64decode(key["d"] + "="))
            if _base64(wallet.public_key) != key["x"]:
                raise ValueError("x does not belong to d")
        except OSError as error:
            raise WalletError(f"the key file {path} cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, msgspec.MsgspecError, TypeError) as error:
            raise WalletError(f"{path} is not an Ed25519 key file ({error})") from None
        return wallet


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
