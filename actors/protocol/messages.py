"""What goes in and out of a process, and what a node answers."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec

from actors.protocol.canonical_json import encode

REPLY = "Reply"
"""Action of an answer that goes to a process. An answer is never answered, so two processes cannot loop."""

Tags = tuple[tuple[str, str], ...]
Past = Callable[[str, Sequence[int]], list[bytes]]
"""Gives the data of the messages at these slots of a process."""


class Refusal(Exception):
    """A process will not do what a message asks. The text is the answer's ``message``; nothing has changed."""


class IncomingMessage(Protocol):
    """What a process sees of a message (``eventstore.records.Message`` has this shape)."""

    @property
    def action(self) -> str:
        """What is asked for."""

    @property
    def data(self) -> bytes:
        """The body."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """Everything that a process may know beside the message and its own state."""

    process: str
    """Its own id."""
    owner: str
    """Address of its owner."""
    sender: str
    from_process: bool
    """Whether the sender is a process of this log: only those speak without a signature."""
    message_id: str
    timestamp: int
    """The assignment's, in ms."""
    slot: int
    past: Past

    def received(self, slots: Sequence[int]) -> list[bytes]:
        """The data of messages that this process received before. They are as much a part of what made its state as
        the state is, so a process that keeps only where they are stays as pure as one that keeps them.
        """
        return self.past(self.process, slots)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message that a process sends: to another process, or as a reply to whoever asked."""

    target: str
    action: str
    data: str
    tags: Tags = ()
    """Tags beside ``Action``."""


class Spawn(msgspec.Struct, frozen=True, gc=False):
    """A process that a process starts."""

    module: str
    owner: str
    data: str
    """What it starts from: a JSON object."""


class Effects(msgspec.Struct, frozen=True, gc=False):
    """What a handler wants to happen."""

    reply: Any
    """The answer, anything that JSON can say."""
    messages: tuple[Outgoing, ...] = ()
    spawns: tuple[Spawn, ...] = ()
    quiet: bool = False
    """Do not send the answer when the sender is a process: it only wants to hear of refusals."""


class Sent(NamedTuple):
    """A message of a result, with the id that it has in the log if its target is a process."""

    id: str
    target: str
    action: str
    data: str
    tags: Tags = ()


class Spawned(NamedTuple):
    """A process of a result."""

    id: str
    module: str
    owner: str
    data: str


class Result(msgspec.Struct, frozen=True, gc=False):
    """What evaluating one message gave. The reply, if there is one, is the first of its messages."""

    messages: tuple[Sent, ...] = ()
    spawns: tuple[Spawned, ...] = ()
    output: str | None = None
    """The answer as JSON text; None where there is none to give (a spawn, a reply)."""
    error: str | None = None
    """Why the message was refused; None if it was not."""
    message_id: str = ""
    sequence: int = 0
    """Where the message stands in the log; 0 for a dryrun."""

    @property
    def answer(self) -> Any:
        """The answer as a value; None where there is none."""
        return None if self.output is None else msgspec.json.decode(self.output)


@lru_cache(maxsize=1024)
def message_tags(action: str, tags: Tags) -> str:
    """The log's tags column for a message that a process sends."""
    return encode([("Action", action), *tags])
