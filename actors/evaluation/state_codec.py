"""Encodes process states as canonical JSON, and decodes them."""

from functools import cache
from types import GenericAlias
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from actors.processes import MODULES, Process
from actors.processes.collections.append_only_list import History
from actors.processes.collections.map import Map
from actors.processes.collections.packed_entries import Ledger


class StateUnreadable(Exception):
    """The text is not a state of its module."""


def _encode_collection(value: Any) -> Any:
    if isinstance(value, Map):
        return {str(name): value[name] for name in value}  # the encoder sorts them
    if isinstance(value, History):
        return list(value)
    if isinstance(value, Ledger):
        return value.columns()
    raise TypeError(f"a state cannot hold a {type(value).__name__}")


encode_canonically = msgspec.json.Encoder(order="deterministic", enc_hook=_encode_collection).encode


def canonical_state(state: Any) -> bytes:
    """A state as canonical JSON: fields in declared order, keys sorted, no white space."""
    return encode_canonically(state)


def restore_process(module: str, state: bytes) -> Process | None:
    """A process of a module, from its canonical state; None if the process failed to start.

    Raises:
        StateUnreadable: the module is unknown, or the text is not a state of it.
    """
    kind = MODULES.get(module)
    if kind is None:
        raise StateUnreadable(f"there is no module {module!r}")
    try:
        decoded = _decoder(module).decode(state)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        raise StateUnreadable(f"this is no state of {module} ({error})") from None
    if decoded is None:
        return None
    process = kind.__new__(kind)
    process.state = decoded
    return process


def _decode_collection(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Ledger):
        return kind.of(value)
    origin, members = get_origin(kind), get_args(kind)
    if origin is Map:
        return Map(msgspec.convert(value, GenericAlias(dict, members), dec_hook=_decode_collection, str_keys=True))
    if origin is History:
        items = msgspec.convert(value, GenericAlias(list, members), dec_hook=_decode_collection)
        return History(items, len(items))
    raise TypeError(f"a state cannot hold a {kind}")


@cache
def _decoder(module: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(get_type_hints(MODULES[module])["state"] | None, dec_hook=_decode_collection)
