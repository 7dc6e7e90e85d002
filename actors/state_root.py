"""One hash over the state of everything."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec
from immutables import Map

from actors.processes.history import History


def _plain(value: Any) -> Any:
    if isinstance(value, Map):
        return {str(name): value[name] for name in value}  # the encoder sorts them
    if isinstance(value, History):
        return list(value)
    raise TypeError(f"a state cannot hold a {type(value).__name__}")


_encode = msgspec.json.Encoder(order="deterministic", enc_hook=_plain).encode


def canonical_state(state: Any) -> bytes:
    """A process's whole state as canonical JSON: fields in declared order, keys sorted, no white space."""
    return _encode(state)


def state_root(processes: Iterable[tuple[str, str, str, Any]]) -> bytes:
    """SHA-256 over the processes in the order of their ids.

    Args:
        processes: id, module, owner and state (None for one that never started) of each.
    """
    root = sha256()
    for process, module, owner, state in sorted(processes, key=lambda entry: entry[0]):
        leaf = sha256(_encode([process, module, owner]) + canonical_state(state)).digest()
        root.update(leaf)
    return root.digest()
