"""How a process comes to be: by a first message, which has the process's own id and names its module."""

from actors.ids import spawned_id
from actors.jsontext import decode
from actors.messages import Spawn, message_tags
from eventstore import Message, Unevaluable

SPAWN = "Spawn"
"""Action of the message that starts a process."""


def spawn_message(spawn: Spawn, *, place: int, by: Message, sequence: int) -> Message:
    """The message that starts a process.

    Args:
        spawn: what its parent wants to start.
        place: which one of those that it starts, from 0.
        by: the message that its parent evaluated …
        sequence: … and where that stands in the log.
    """
    spawned = spawned_id(by.id, place)
    tags = message_tags(SPAWN, (("Type", "Process"), ("Module", spawn.module), ("Owner", spawn.owner)))
    return Message(spawned, by.target, spawned, SPAWN, tags, spawn.data.encode(), "", sequence)


def module_of(message: Message) -> str:
    """The module that a process's first message names, or empty.

    Raises:
        Unevaluable: it has no tags.
    """
    return str(_tags(message).get("Module", ""))


def owner_in(message: Message) -> str:
    """Whose a process is that this message starts: a process that starts another names its owner, a wallet that starts
    one is its owner.

    Raises:
        Unevaluable: it has no tags.
    """
    return _tags(message).get("Owner", "") if message.parent is not None else message.sender


def _tags(message: Message) -> dict[str, str]:
    try:
        return dict(reversed(decode(message.tags.encode())))  # of tags of one name the first counts
    except (ValueError, TypeError):
        raise Unevaluable("tags that are no tags") from None
