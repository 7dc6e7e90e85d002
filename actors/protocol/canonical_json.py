"""JSON encoding and decoding that is the same on every machine, so that every replay refuses the same data."""

import re
from array import array
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
DEPTH_MAX = 512
"""Deepest nesting of arrays and objects. The parser's own limit depends on the call stack, so this one is lower."""

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder().decode
_STRING_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_STRING = re.compile(_STRING_TEXT, re.DOTALL)
_UNTIL_OPEN_STRING = re.compile(rb'(?:[^"]++|' + _STRING_TEXT + rb")*+", re.DOTALL)
"""Everything before a string that does not end."""
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""Each bracket's step of the depth, as a signed byte."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


def encode(value: Any) -> str:
    """A value as JSON text. Keys keep their order."""
    return _encode(value).decode()


def decode(data: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: the text is not JSON, or is nested deeper than ``DEPTH_MAX``.
    """
    check_depth(data)
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("the data is not valid JSON") from None


def decode_as(data: bytes, kind: type[T]) -> T:
    """The value of a JSON text as a type.

    Raises:
        ValueError: the text is not JSON of this type, or is nested deeper than ``DEPTH_MAX``. The reason is the
            library's text: keep it out of outputs and states.
    """
    check_depth(data)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def check_depth(data: bytes) -> None:
    """Check the nesting depth of a JSON text before parsing it.

    Raises:
        ValueError: the text is nested deeper than ``DEPTH_MAX``.
    """
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and _depth(data) > DEPTH_MAX:
        raise ValueError(f"the data is JSON nested deeper than {DEPTH_MAX}")


def has_wide_integer(value: Any) -> bool:
    """Whether a JSON value holds an integer beyond 64 bits, which some JSON readers do not keep exactly."""
    pending = [value]
    while pending:
        member = pending.pop()
        if isinstance(member, dict):
            pending.extend(member.values())
        elif isinstance(member, list):
            pending.extend(member)
        elif isinstance(member, int) and not -(2**63) <= member < 2**63:
            return True
    return False


def _depth(data: bytes) -> int:
    """The deepest nesting of brackets outside strings. A string that does not end is no string: its brackets count.

    It takes 0.1 us for each byte at most, also for text that is not JSON: each expression reads each byte once.
    """
    found = _UNTIL_OPEN_STRING.match(data)
    end = found.end() if found else 0
    outside = _STRING.sub(b"", data[:end]) + data[end:]
    return max(accumulate(array("b", outside.translate(_STEPS, _NO_BRACKETS))), default=0)
