"""Wallets of other networks: Ethereum and Arweave."""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA256

from actors.ans104.signer import Signer
from actors.ans104.wallet import WalletError
from actors.crypto.rsa_pss import EXPONENT
from actors.crypto.schemes import ARWEAVE, ETHEREUM, SCHEMES
from actors.crypto.secp256k1 import public_key_of, signature_of

_RSA_BITS = 4096
_SALT_BYTES = 32
"""The salt length of AO's own tools. Verification accepts any length."""


class EthereumWallet(Signer):
    """A secp256k1 key that signs as Ethereum wallets sign a message (EIP-191)."""

    kind = ETHEREUM

    def __init__(self, secret: bytes) -> None:
        """Args:
            secret: the private key (32 bytes).

        Raises:
            WalletError: the bytes are not a secp256k1 private key.
        """
        try:
            public_key = public_key_of(secret)
        except ValueError as error:
            raise WalletError(f"this is no secp256k1 key ({error})") from None
        self._secret = secret
        super().__init__(public_key)

    def signature(self, text: bytes) -> bytes:
        """The signature of a text: r, s and v (27 or 28), 65 bytes."""
        return signature_of(text, self._secret)


class ArweaveWallet(Signer):
    """An Arweave wallet: an RSA-4096 key."""

    kind = ARWEAVE

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        """Args:
            key: the private key.

        Raises:
            WalletError: key size or exponent differ from Arweave's.
        """
        numbers = key.public_key().public_numbers()
        if key.key_size != _RSA_BITS or numbers.e != EXPONENT:
            raise WalletError(f"an Arweave key has {_RSA_BITS} bits and the exponent {EXPONENT}")
        self._key = key
        length = SCHEMES[ARWEAVE].key.stop - SCHEMES[ARWEAVE].key.start
        super().__init__(numbers.n.to_bytes(length))

    @classmethod
    def create(cls) -> "ArweaveWallet":
        """Create a wallet. Takes about a second."""
        return cls(rsa.generate_private_key(EXPONENT, _RSA_BITS))

    @classmethod
    def load(cls, path: str | Path) -> "ArweaveWallet":
        """Read a key file (a JSON Web Key, RFC 7517).

        Raises:
            WalletError: the file cannot be read, or is not an Arweave key file.
        """
        try:
            return cls(_private_key(msgspec.json.decode(Path(path).read_bytes(), type=dict[str, str])))
        except OSError as error:
            raise WalletError(f"the key file {path} cannot be read ({error.strerror})") from None
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise WalletError(f"{path} is not an Arweave key file ({error})") from None

    def signature(self, data: bytes) -> bytes:
        """The signature of some data: RSA-PSS with SHA-256, 512 bytes."""
        return self._key.sign(data, PSS(MGF1(SHA256()), _SALT_BYTES), SHA256())


def _private_key(jwk: Mapping[str, str]) -> rsa.RSAPrivateKey:
    n, e, d, p, q, dp, dq, qi = (_integer(jwk[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi"))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()


def _integer(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
