"""Input and output of a process (message, context, effects), and the result of a message."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec

from actors.protocol.canonical_json import encode

REPLY = "Reply"
"""Action of a reply to a process. A reply never gets a reply, so two processes cannot loop."""

Tags = tuple[tuple[str, str], ...]
PayloadReader = Callable[[str, Sequence[int]], list[bytes]]
"""Returns the data of the messages at some slots of a process."""


class Refusal(Exception):
    """Raised by a handler to refuse a message. The text becomes the reply's ``message``; the state does not change."""


class IncomingMessage(Protocol):
    """The part of a message that a handler reads (``eventstore.records.Message`` has this shape)."""

    @property
    def action(self) -> str:
        """The action: selects the handler."""

    @property
    def data(self) -> bytes:
        """The body, JSON text."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """All that a handler may read besides the message and the state."""

    process: str
    """Id of the process."""
    owner: str
    """Address of the process's owner."""
    sender: str
    from_process: bool
    """Whether the sender is a process of this log. Only processes send unsigned messages."""
    message_id: str
    timestamp: int
    """Timestamp of the assignment, in ms."""
    slot: int
    read_payloads: PayloadReader

    def payloads(self, slots: Sequence[int]) -> list[bytes]:
        """The data of earlier messages to this process, by slot.

        The state follows from these messages, so a process that stores only their slots is as pure as one that stores
        their data.
        """
        return self.read_payloads(self.process, slots)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message that a handler sends to another process."""

    target: str
    action: str
    data: str
    tags: Tags = ()
    """Tags beside ``Action``."""


class Spawn(msgspec.Struct, frozen=True, gc=False):
    """A process that a handler starts."""

    module: str
    owner: str
    data: str
    """The start body of the module: a JSON object."""


class Effects(msgspec.Struct, frozen=True, gc=False):
    """What a handler returns: a reply, messages to send and processes to spawn."""

    reply: Any
    """The reply: any JSON value; None for no reply."""
    messages: tuple[Outgoing, ...] = ()
    spawns: tuple[Spawn, ...] = ()
    quiet: bool = False
    """Whether a sending process gets no reply. It still gets a refusal."""


class Sent(NamedTuple):
    """A message of a result. If its target is a process, the log holds it under this id."""

    id: str
    target: str
    action: str
    data: str
    tags: Tags = ()


class Spawned(NamedTuple):
    """A process that a result spawned."""

    id: str
    module: str
    owner: str
    data: str


class Result(msgspec.Struct, frozen=True, gc=False):
    """Result of evaluating one message. A reply is the first of its messages."""

    messages: tuple[Sent, ...] = ()
    spawns: tuple[Spawned, ...] = ()
    output: str | None = None
    """The reply as JSON text; None if there is none (the message spawned a process, or was a reply)."""
    error: str | None = None
    """Reason of the refusal; None if the message was not refused."""
    message_id: str = ""
    sequence: int = 0
    """Sequence of the message; 0 for a dryrun."""

    @property
    def answer(self) -> Any:
        """The reply as a value; None if there is none."""
        return None if self.output is None else msgspec.json.decode(self.output)


@lru_cache(maxsize=1024)
def message_tags(action: str, tags: Tags) -> str:
    """Value of the log's ``tags`` column for a message that a process sends."""
    return encode([("Action", action), *tags])
