"""How a process comes to be: by a first message, which has the process's own id and names its module."""

from typing import NamedTuple

from actors.protocol.canonical_json import decode
from actors.protocol.derived_ids import spawned_id
from actors.protocol.messages import Spawn, message_tags
from eventstore import Message, Unevaluable

_SPAWN = "Spawn"
"""Action of the message that starts a process."""


class Origin(NamedTuple):
    """Where a process comes from."""

    module: str
    """Empty where none is named."""
    owner: str


def spawn_message(spawn: Spawn, *, place: int, by: Message, sequence: int) -> Message:
    """The message that starts a process.

    Args:
        spawn: what its parent wants to start.
        place: which one of those that it starts, from 0.
        by: the message that its parent evaluated …
        sequence: … and where that stands in the log.
    """
    spawned = spawned_id(by.id, place)
    tags = message_tags(_SPAWN, (("Type", "Process"), ("Module", spawn.module), ("Owner", spawn.owner)))
    return Message(spawned, by.target, spawned, _SPAWN, tags, spawn.data.encode(), "", sequence)


def starts_process(message: Message) -> bool:
    """Whether a message that a process sent starts another."""
    return message.id == message.target


def module_of(message: Message) -> str:
    """The module that a process's first message names, or empty.

    Raises:
        Unevaluable: it has no tags.
    """
    return origin_of(message).module


def origin_of(message: Message) -> Origin:
    """What a process's first message says of it.

    Raises:
        Unevaluable: it has no tags.
    """
    tags = _tags(message)
    # a process that starts another names its owner; a wallet that starts one is its owner
    owner = tags.get("Owner", "") if message.parent is not None else message.sender
    return Origin(str(tags.get("Module", "")), owner)


def _tags(message: Message) -> dict[str, str]:
    try:
        return dict(reversed(decode(message.tags.encode())))  # of tags of one name the first counts
    except (ValueError, TypeError):
        raise Unevaluable("tags that are no tags") from None
