"""JSON bodies of messages: declared as types, parsed in one step, and refused with the name of the wrong field."""

import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args

import msgspec
from msgspec import Meta

from actors.protocol.canonical_json import DEPTH_MAX, check_depth, decode
from actors.protocol.messages import Refusal

T = TypeVar("T")

SECONDS_MAX = 253_402_300_799
"""The last second of the year 9999."""

Text = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
Seconds = Annotated[
    float, Meta(ge=0, le=SECONDS_MAX, description=f"a number of seconds since 1970, up to {SECONDS_MAX}")
]
TITLE_CHARACTERS_MAX = 64
Title = Annotated[
    str,
    Meta(
        min_length=1, max_length=TITLE_CHARACTERS_MAX, description=f"a text of 1 to {TITLE_CHARACTERS_MAX} characters"
    ),
]
"""The name of a group."""
Fields = dict[str, Any]
"""The body of an action that takes any fields."""


class Body(msgspec.Struct, gc=False):
    """Base class of bodies.

    Fields without a default are required. Fields that are not declared are ignored. Null counts as absent, except for a
    field whose default is not None: there the refusal is "the data is not valid JSON", which old logs contain.
    """


class EmptyBody(Body):
    """The body of an action without fields. Any data is accepted."""


def parser(
    kind: type[T], *, optional: bool = False, any_data: bool = False, data_max: int = sys.maxsize
) -> Callable[[bytes], T]:
    """A function that parses a message's data as a body of this type, or raises ``Refusal``.

    The error texts are our own, not a library's. They become part of states and logs, which have to be the same with
    every version of every library.

    Args:
        kind: a ``Body`` or ``Fields``.
        optional: whether empty data counts as a body without fields.
        any_data: whether data that is no JSON object counts as a body without fields. AO's client sends a random number
            with a message that needs no data.
        data_max: most bytes of the data. Fields that are not declared count.
    """
    if kind is EmptyBody:
        nothing = kind()
        return lambda _: nothing
    decoder = msgspec.json.Decoder(kind).decode

    def parse(data: bytes) -> T:
        try:
            if len(data) > DEPTH_MAX:  # shorter data cannot nest deeper
                if len(data) > data_max:
                    raise Refusal(f"the data of this action has at most {data_max} bytes")
                check_depth(data)
            return decoder(data)
        except (msgspec.MsgspecError, ValueError):
            if (optional and not data.strip()) or (any_data and not data.lstrip().startswith(b"{")):
                return kind()
            raise Refusal(_fault(kind, data)) from None

    return parse


def milliseconds(seconds: float) -> int:
    """A time of a body, converted to ms."""
    return round(seconds * 1000)


def _fault(kind: type, data: bytes) -> str:
    """The reason to refuse data that is not a body of this type."""
    try:
        value = decode(data)
    except ValueError as error:
        return str(error)
    if type(value) is not dict:
        return "the data has to be a JSON object"
    for field in msgspec.structs.fields(kind):
        given = value.get(field.encode_name)
        if given is None and field.required:
            return f"the field {field.encode_name!r} is missing"
        try:
            msgspec.convert(given, field.type | None)
        except msgspec.ValidationError:
            return f"the field {field.encode_name!r} has to be {_description(field.type)}"
    return "the data is not valid JSON"


def _description(annotation: Any) -> str:
    """The description of a field's type, from its declaration."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if meta.description:
                return str(meta.description)
    return "a text"
