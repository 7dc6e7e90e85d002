"""The chain that AO's scheduler puts through the assignments of a process, by their data items' ids."""

from hashlib import sha256

from eventstore.records import decode_id


def chain_at_start(process: str) -> bytes:
    """``Hash-Chain`` of a process's first assignment: SHA-256(process id)."""
    return sha256(decode_id(process)).digest()


def chain_after(assignment: str, chain: bytes) -> bytes:
    """That of the next one: SHA-256(id of the assignment before ‖ its own chain)."""
    return sha256(decode_id(assignment) + chain).digest()
