"""Ethereum's keys as signers of texts: who signed, and what they are called.

Its hash and its curve are imported when they are first needed: most logs need neither, and they take a third of the
time that a process takes to start.
"""

import re
from functools import lru_cache

SIGNATURE_BYTES = 65
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
_RECOVERY = {27: b"\0", 28: b"\1"}
"""The last byte of a signature, and what it says. Others say the same of the same signature, and would give one message
a second id.
"""
_HALF_ORDER = 0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
"""The highest s that a signature may have (EIP-2): n - s is as good to the curve, and would give a second id."""


def keccak(data: bytes) -> bytes:
    """Keccak-256, Ethereum's hash: 32 bytes."""
    from eth_hash.auto import keccak

    return keccak(data)


def eip191(text: bytes) -> bytes:
    """What a wallet hashes when it signs a text (EIP-191, version 0x45)."""
    return b"\x19Ethereum Signed Message:\n%d" % len(text) + text


def signing_key(text: bytes, signature: bytes) -> bytes:
    """The public key (65 bytes) whose signature (r, s, v: 65 bytes) of a text this is.

    Raises:
        ValueError: it is nobody's, or not in the one form that is taken.
    """
    from coincurve import PublicKey

    recovery = _RECOVERY.get(signature[-1]) if len(signature) == SIGNATURE_BYTES else None
    if recovery is None or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise ValueError("this is no signature of 65 bytes with a low s and a v of 27 or 28")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + recovery, keccak(eip191(text)), hasher=None)
    except Exception as error:  # coincurve raises what it is given, ValueError or Exception itself
        raise ValueError("nobody signed this") from error
    return bytes(key.format(compressed=False))


@lru_cache(maxsize=4096)
def ethereum_address(public_key: bytes) -> str:
    """A key's address: the last 20 bytes of Keccak-256 of its point, with the checksum of EIP-55."""
    return _with_checksum(keccak(public_key[1:])[-20:].hex())


@lru_cache(maxsize=4096)
def checksummed(address: str) -> str:
    """An address as EIP-55 writes it.

    Raises:
        ValueError: it is none, or was written with another checksum than its own.
    """
    if _ADDRESS.fullmatch(address):
        found = _with_checksum(address[2:].lower())
        if address[2:] in (found[2:], found[2:].lower(), found[2:].upper()):
            return found
    raise ValueError(f"{address[:64]!r} is no Ethereum address")


def _with_checksum(digits: str) -> str:
    """EIP-55: a letter is a capital where the hash of all the 40 digits has a high one."""
    hashed = keccak(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if high >= "8" else digit for digit, high in zip(digits, hashed, strict=False))
