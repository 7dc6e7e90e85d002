"""Spawn messages: the first message of a process has the process's id and names its module."""

from typing import NamedTuple

from actors.protocol.canonical_json import decode
from actors.protocol.derived_ids import spawned_id
from actors.protocol.messages import Spawn, message_tags
from eventstore import Message, Unevaluable

_SPAWN = "Spawn"
"""Action of the message that starts a process."""


class Origin(NamedTuple):
    """Module and owner that a spawn message names."""

    module: str
    """Empty if the message names none."""
    owner: str


def spawn_message(spawn: Spawn, *, index: int, parent: Message, sequence: int) -> Message:
    """The message that starts a process.

    Args:
        spawn: the process to start.
        index: index among the spawns of the result, from 0.
        parent: the evaluated message.
        sequence: sequence of the evaluated message.
    """
    spawned = spawned_id(parent.id, index)
    tags = message_tags(_SPAWN, (("Type", "Process"), ("Module", spawn.module), ("Owner", spawn.owner)))
    return Message(spawned, parent.target, spawned, _SPAWN, tags, spawn.data.encode(), "", sequence)


def starts_process(message: Message) -> bool:
    """Whether a message from a process starts another process."""
    return message.id == message.target


def module_of(message: Message) -> str:
    """The module that a process's first message names; empty if it names none.

    Raises:
        Unevaluable: the message has no readable tags.
    """
    return origin_of(message).module


def origin_of(message: Message) -> Origin:
    """Module and owner of a process, from its first message.

    Raises:
        Unevaluable: the message has no readable tags.
    """
    tags = _tags(message)
    # a spawning process names the owner in a tag; a spawning wallet is the owner
    owner = tags.get("Owner", "") if message.parent is not None else message.sender
    return Origin(str(tags.get("Module", "")), owner)


def _tags(message: Message) -> dict[str, str]:
    try:
        return dict(reversed(decode(message.tags.encode())))  # the first tag of a name counts
    except (ValueError, TypeError):
        raise Unevaluable("tags that are no tags") from None
