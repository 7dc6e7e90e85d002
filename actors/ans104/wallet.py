"""An Ed25519 wallet and its key file."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import msgspec
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from actors.ans104.signer import Signer
from actors.crypto.schemes import ED25519

SEED_BYTES = 32


def key_path(log: Path) -> Path:
    """Path of the key file of a log's node: beside the log, never in it."""
    return log.with_name(log.name + ".key")


class WalletError(Exception):
    """A key file cannot be read or written. The text names the file and the reason."""


class Wallet(Signer):
    """An Ed25519 key pair. Its address is base64url(SHA-256(public key))."""

    kind = ED25519

    def __init__(self, seed: bytes) -> None:
        """Args:
        seed: secret seed of the key (32 bytes).
        """
        self._key = SigningKey(seed)
        super().__init__(bytes(self._key.verify_key))

    @classmethod
    def create(cls) -> "Wallet":
        """Create a wallet from the operating system's randomness."""
        return cls(os.urandom(SEED_BYTES))

    def signature(self, data: bytes) -> bytes:
        """The Ed25519 signature (64 bytes) of some data."""
        return bytes(self._key.sign(data).signature)

    def curve25519(self) -> PrivateKey:
        """The encryption key (Curve25519) derived from this key: opens sealed boxes."""
        return self._key.to_curve25519_private_key()

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
        """Load a key file; create it if it does not exist.

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
            WalletError: the file is missing or unreadable, or is not an Ed25519 key.
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
