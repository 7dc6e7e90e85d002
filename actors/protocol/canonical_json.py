"""JSON in and out, the same on every machine: what is refused here is refused by every replay."""

import re
from typing import Any

import msgspec

DEPTH_MAX = 512
"""Arrays and objects within one another. A bound of our own: where the parser's lies depends on the call stack."""

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder().decode
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def encode(value: Any) -> str:
    """A value as JSON text, keys in the order given."""
    return _encode(value).decode()


def decode(data: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or nested deeper than ``DEPTH_MAX``.
    """
    check_depth(data)
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("the data is not valid JSON") from None


def check_depth(data: bytes) -> None:
    """Look at how deep a text nests before a parser does.

    Raises:
        ValueError: deeper than ``DEPTH_MAX``.
    """
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and _depth(data) > DEPTH_MAX:
        raise ValueError(f"the data is JSON nested deeper than {DEPTH_MAX}")


def has_wide_integer(value: Any) -> bool:
    """Whether a JSON value holds an integer that does not fit into 64 bits, which not every reader keeps exactly."""
    unseen = [value]
    while unseen:
        member = unseen.pop()
        if isinstance(member, dict):
            unseen.extend(member.values())
        elif isinstance(member, list):
            unseen.extend(member)
        elif isinstance(member, int) and not -(2**63) <= member < 2**63:
            return True
    return False


def _depth(data: bytes) -> int:
    depth = deepest = 0
    for token in _STRING_OR_BRACKET.findall(data):
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest
