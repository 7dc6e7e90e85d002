"""An Ed25519 wallet and its key file."""

import errno
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import msgspec
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from actors.ans104.signer import Signer
from actors.crypto.schemes import ED25519

SEED_BYTES = 32
_FILE_BYTES_MAX = 65_536
"""Bytes of a key file that are read. A key has 130."""


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
            _create(Path(path), msgspec.json.encode(key) + b"\n")
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
            WalletError: the file is missing, unreadable or not a regular file, or is not an Ed25519 key.
        """
        try:
            key = msgspec.json.decode(_read(path), type=dict[str, str])
            if key.get("crv") != "Ed25519":
                raise ValueError("crv is not Ed25519")
            wallet = cls(urlsafe_b64decode(key["d"] + "="))
            if _base64(wallet.public_key) != key["x"]:
                raise ValueError("x does not belong to d")
        except OSError as error:
            raise WalletError(f"the key file {path} cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, msgspec.MsgspecError, TypeError) as error:
            raise WalletError(f"{path} is not an Ed25519 key file ({error}): restore a copy of the key") from None
        return wallet


def _create(path: Path, content: bytes) -> None:
    """Write a new durable file. A crash leaves it whole or not at all.

    Raises:
        OSError: there is a file, or it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _give_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: str | Path) -> bytes:
    """The content of a key file. Opening a pipe would block until another program opens its other end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(_FILE_BYTES_MAX)
    if not content:
        raise ValueError("it is empty")
    return content


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _give_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # unlike a rename, it replaces no file
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP) or path.exists():
            raise
        temporary.rename(path)  # the file system has no hard links
