"""The body of RelayMessage: the message that a handle sends for its owner."""

from typing import Annotated

import msgspec
from msgspec import Meta

from actors.processes.request_body import Body, Text
from actors.protocol.messages import REPLY, Outgoing, Refusal

TAGS_MAX = 128
TAG_CHARACTERS_MAX = 3072

_Tag = Annotated[str, Meta(min_length=1, max_length=TAG_CHARACTERS_MAX)]
_Count = Meta(max_length=TAGS_MAX)
_Described = Meta(
    description=f"an object, or a list of objects with 'name' and 'value', of at most {TAGS_MAX} tags whose names and"
    f" values are texts of 1 to {TAG_CHARACTERS_MAX} characters"
)


class _NamedTag(msgspec.Struct, frozen=True, gc=False):
    name: _Tag
    value: _Tag


class RelayMessage(Body):
    """The message to relay."""

    Target: Text
    Tags: Annotated[Annotated[dict[_Tag, _Tag], _Count] | Annotated[list[_NamedTag], _Count], _Described]
    Data: str | None = None


def relayed_message(body: RelayMessage) -> Outgoing:
    """The message to send.

    Raises:
        Refusal: its tags hold no ``Action``, or the action is ``Reply``.
    """
    given = body.Tags
    action, others = "", []
    for name, value in given.items() if isinstance(given, dict) else [(tag.name, tag.value) for tag in given]:
        if name != "Action":
            others.append((name, value))
        elif not action:
            action = value
    if not action or action == REPLY:
        raise Refusal("the field 'Tags' has to hold an Action")
    return Outgoing(body.Target, action, body.Data or "", tuple(others))
