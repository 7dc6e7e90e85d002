"""What a model of a process receives, and what it predicts."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, ClassVar, NamedTuple

Body = dict[str, Any]


class Received(NamedTuple):
    """One assignment, as the model of its process sees it."""

    process: str
    owner: str
    """Address of the owner of the process."""
    sender: str
    from_process: bool
    id: str
    slot: int
    timestamp: int
    """In ms."""
    action: str
    body: Body


class Sent(NamedTuple):
    """A message that a process must send."""

    target: str
    action: str
    data: Any
    """The JSON value of the data; for a relayed message its text."""
    tags: tuple[tuple[str, str], ...] = ()
    """Tags beside ``Action``."""


class Started(NamedTuple):
    """A process that a process must start."""

    id: str
    module: str
    """Without its version."""
    owner: str
    body: Body


class Expected(NamedTuple):
    """What the evaluation of a message must produce."""

    reply: Any = None
    messages: tuple[Sent, ...] = ()
    started: tuple[Started, ...] = ()
    quiet: bool = False
    """Whether a process that sent the message gets no reply, unless it is a refusal."""


class Refused(Exception):
    """The process must refuse the message, with this text."""


class NotModelled(Exception):
    """The model does not know the action."""


class View(NamedTuple):
    """A query and the reply that it must get."""

    action: str
    body: Body
    reply: Any


SUCCESS = {"status": "success"}


class ProcessModel:
    """The model of one process.

    ``changes`` and ``queries`` map an action to its method. ``touched`` holds the parts of the state that changed since
    the last call of ``views``.

    Attributes:
        id: id of the process.
    """

    changes: ClassVar[dict[str, Callable[[Any, Received], Expected]]] = {}
    queries: ClassVar[dict[str, Callable[[Any, Body, int], Any]]] = {}

    def __init__(self, start: Received) -> None:
        self.id = start.process
        self.owner = start.owner
        self.touched: dict[Hashable, None] = {}

    def receive(self, message: Received) -> Expected:
        """Apply a message.

        Raises:
            Refused: the process must refuse it. The model is unchanged.
            NotModelled: the model does not know the action.
        """
        change = self.changes.get(message.action)
        if change is not None:
            return change(self, message)
        return Expected(self.query(message.action, message.body, message.timestamp))

    def query(self, action: str, body: Body, now_ms: int) -> Any:
        """The reply to a query at a time.

        Raises:
            Refused: the process must refuse it.
            NotModelled: the model does not know the action.
        """
        query = self.queries.get(action)
        if query is None:
            raise NotModelled(action)
        return query(self, body, now_ms)

    def views(self, now_ms: int, *, whole: bool = False) -> Iterator[View]:
        """The queries that show what changed since the last call; with ``whole``, the queries that show everything."""
        parts = list(self.parts() if whole else self.touched)
        self.touched.clear()
        for part in parts:
            for action, body in self.shown_by(part):
                yield View(action, body, self.query(action, body, now_ms))

    def parts(self) -> Iterator[Hashable]:
        """All parts of the state."""
        raise NotImplementedError

    def shown_by(self, part: Any) -> Iterator[tuple[str, Body]]:
        """The queries that show a part of the state: action and body."""
        raise NotImplementedError

    def touch(self, *parts: Hashable) -> None:
        """Record that parts of the state changed."""
        self.touched.update(dict.fromkeys(parts))
