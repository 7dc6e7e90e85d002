"""Ethereum signatures: recovers the signing key of an EIP-191 text, and derives addresses (EIP-55).

The hash and the curve are imported on first use: most logs need neither, and these imports take a third of a process's
start-up time.
"""

import re
from functools import lru_cache

SIGNATURE_BYTES = 65
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
_V = 27
_RECOVERY = {_V: 0, _V + 1: 1}
"""Last byte of a signature to its recovery id. Other encodings of the same recovery id are refused: they would give one
message a second id.
"""
_HALF_ORDER = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
"""The highest s that a signature may have (EIP-2): n - s is valid too, and would give the message a second id."""


def keccak(data: bytes) -> bytes:
    """Keccak-256, the hash of Ethereum: 32 bytes."""
    from eth_hash.auto import keccak

    return keccak(data)


def eip191(text: bytes) -> bytes:
    """The bytes that a wallet hashes to sign a text (EIP-191, version 0x45)."""
    return b"\x19Ethereum Signed Message:\n%d" % len(text) + text


def signing_key(text: bytes, signature: bytes) -> bytes:
    """Recover the public key (65 bytes) that made a signature (r, s, v: 65 bytes) of a text.

    Raises:
        ValueError: no key made the signature, or it is not in the one accepted encoding.
    """
    from btclib_libsecp256k1.recovery import recover

    recovery = _RECOVERY.get(signature[-1]) if len(signature) == SIGNATURE_BYTES else None
    if recovery is None or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise ValueError("this is no signature of 65 bytes with a low s and a v of 27 or 28")
    try:
        return recover(keccak(eip191(text)), signature[:64], recovery, compressed=False)
    except ValueError as error:
        raise ValueError("nobody signed this") from error


def signature_of(text: bytes, secret: bytes) -> bytes:
    """Sign a text with a private key (32 bytes). Returns r, s and v (65 bytes)."""
    from btclib_libsecp256k1.recovery import sign

    signature, recovery = sign(keccak(eip191(text)), secret)
    return signature + bytes([recovery + _V])


def public_key_of(secret: bytes) -> bytes:
    """The public key (65 bytes) of a private key (32 bytes).

    Raises:
        ValueError: the bytes are not a secp256k1 private key.
    """
    from btclib_libsecp256k1.keys import pubkey_from_prvkey

    return pubkey_from_prvkey(secret, compressed=False)


@lru_cache(maxsize=4096)
def ethereum_address(public_key: bytes) -> str:
    """The address of a public key: the last 20 bytes of Keccak-256 of its point, with the EIP-55 checksum."""
    return _with_checksum(keccak(public_key[1:])[-20:].hex())


@lru_cache(maxsize=4096)
def checksummed(address: str) -> str:
    """An address with its EIP-55 checksum.

    Raises:
        ValueError: the text is not an address, or it has a wrong checksum.
    """
    if _ADDRESS.fullmatch(address):
        found = _with_checksum(address[2:].lower())
        if address[2:] in (found[2:], found[2:].lower(), found[2:].upper()):
            return found
    raise ValueError(f"{address[:64]!r} is no Ethereum address")


def _with_checksum(digits: str) -> str:
    """Apply EIP-55: a letter is upper case where the hash of all 40 digits has a digit of 8 or more."""
    hashed = keccak(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if high >= "8" else digit for digit, high in zip(digits, hashed, strict=False))
