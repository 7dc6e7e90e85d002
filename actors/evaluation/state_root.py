"""The state root: one hash over the states of all processes."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from actors.evaluation.state_codec import canonical_state, encode_canonically


def state_root(processes: Iterable[tuple[str, str, str, Any]]) -> bytes:
    """SHA-256 over the leaves of all processes, in the order of their ids.

    Args:
        processes: id, module, owner and state of each process. The state is None if the process failed to start.
    """
    return root_over((process, leaf_of(process, module, owner, state)) for process, module, owner, state in processes)


def root_over(leaves: Iterable[tuple[str, bytes]]) -> bytes:
    """SHA-256 over leaves, in the order of their process ids."""
    root = sha256()
    for _, leaf in sorted(leaves):
        root.update(leaf)
    return root.digest()


def leaf_of(process: str, module: str, owner: str, state: Any) -> bytes:
    """SHA-256 over id, module, owner and state of one process."""
    return sha256(encode_canonically([process, module, owner]) + canonical_state(state)).digest()
