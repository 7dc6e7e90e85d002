"""A message's JSON body: declared as a type, read in one go, and refused by the name of the field that is wrong."""

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
"""What a group is called."""
Fields = dict[str, Any]
"""The body of an action that takes any fields."""


class Body(msgspec.Struct, gc=False):
    """Base of bodies. Fields without a default have to be there; null is as good as absent; others are ignored."""


class NoBody(Body):
    """The body of an action that looks at nothing."""


def parser(kind: type[T], *, optional: bool = False) -> Callable[[bytes], T]:
    """A function that reads a body of this type from a message's data.

    It refuses what is no such body, in words of our own and not a library's: they become part of states and logs, which
    have to come out the same with every version of every library.

    Args:
        kind: a ``Body`` or ``Fields``.
        optional: no data at all stands for a body without fields.
    """
    if kind is NoBody:
        nothing = kind()
        return lambda _: nothing
    decoder = msgspec.json.Decoder(kind).decode

    def parse(data: bytes) -> T:
        try:
            if len(data) > DEPTH_MAX:  # shorter data cannot nest deeper
                check_depth(data)
            return decoder(data)
        except (msgspec.MsgspecError, ValueError):
            if optional and not data.strip():
                return kind()
            raise Refusal(_fault(kind, data)) from None

    return parse


def milliseconds(seconds: float) -> int:
    """A point in time of a body, in ms."""
    return round(seconds * 1000)


def _fault(kind: type, data: bytes) -> str:
    """What is wrong with data that is no body of this type."""
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
    """The words of a field's type, as its declaration gives them."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if meta.description:
                return str(meta.description)
    return "a text"
