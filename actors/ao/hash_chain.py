"""The hash chain of AO's scheduler over the assignments of a process, by the ids of their data items."""

from hashlib import sha256

from eventstore.records import decode_id


def chain_at_start(process: str) -> bytes:
    """``Hash-Chain`` of a process's first assignment: SHA-256(process id)."""
    return sha256(decode_id(process)).digest()


def chain_after(assignment: str, chain: bytes) -> bytes:
    """``Hash-Chain`` of the next assignment: SHA-256(id of this assignment ‖ its ``Hash-Chain``)."""
    return sha256(decode_id(assignment) + chain).digest()
