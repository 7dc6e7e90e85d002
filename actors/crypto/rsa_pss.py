"""Verifies the signatures of Arweave keys: RSA-PSS with SHA-256."""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

EXPONENT = 65537


def is_valid(signature: bytes, data: bytes, modulus: bytes) -> bool:
    """Whether the key with this modulus made a signature of some data."""
    try:
        _key(modulus).verify(signature, data, PSS(MGF1(SHA256()), PSS.AUTO), SHA256())
    except (InvalidSignature, ValueError):  # ValueError: not an RSA modulus
        return False
    return True


@lru_cache(maxsize=1024)
def _key(modulus: bytes) -> RSAPublicKey:
    return RSAPublicNumbers(EXPONENT, int.from_bytes(modulus)).public_key()
