"""A message's JSON body, and what may be asked of its fields."""

from collections.abc import Collection
from typing import Any

from actors import jsontext
from actors.messages import Refusal


class Body:
    """The JSON object in a message's data. Each reader refuses, by the field's name, what is absent or of a wrong type.

    The texts are our own and not a library's: they become part of states and logs, which have to come out the same
    with every version of every library.
    """

    def __init__(self, data: bytes) -> None:
        """Raises:
        Refusal: the data is not a JSON object.
        """
        try:
            value = jsontext.decode(data)
        except ValueError as error:
            raise Refusal(str(error)) from None
        if type(value) is not dict:
            raise Refusal("the data has to be a JSON object")
        self.fields: dict[str, Any] = value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.fields.get(name) is not None

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self.fields.get(name)
        if type(value) is str and value:
            return value
        if value is None:
            raise Refusal(f"the field {name!r} is missing")
        raise Refusal(f"the field {name!r} has to be a text that is not empty")

    def text_or(self, name: str, default: str) -> str:
        """A text, possibly empty, or the default where the field is absent."""
        value = self.fields.get(name)
        if value is None:
            return default
        if type(value) is str:
            return value
        raise Refusal(f"the field {name!r} has to be a text")

    def whole(self, name: str, *, least: int, most: int) -> int:
        """A whole number between two bounds."""
        value = self.fields.get(name)
        if value is None:
            raise Refusal(f"the field {name!r} is missing")
        if type(value) is int and least <= value <= most:
            return value
        raise Refusal(f"the field {name!r} has to be a whole number from {least} to {most}")

    def milliseconds(self, name: str) -> int:
        """A point in time, given in seconds since the epoch, as ms."""
        value = self.fields.get(name)
        if value is None:
            raise Refusal(f"the field {name!r} is missing")
        if (type(value) is int or type(value) is float) and 0 <= value <= SECONDS_MAX:
            return round(value * 1000)
        raise Refusal(f"the field {name!r} has to be a number of seconds since 1970, up to {SECONDS_MAX}")

    def one_of(self, names: Collection[str]) -> str:
        """Which one of the fields is there; exactly one has to be."""
        there = [name for name in names if self.has(name)]
        if len(there) == 1:
            return there[0]
        listed = " or ".join(repr(name) for name in names)
        raise Refusal(f"the field {listed} is missing" if not there else f"give {listed}, not both")


SECONDS_MAX = 253_402_300_799
"""The last second of the year 9999."""
