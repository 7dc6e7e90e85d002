"""What a process is."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from actors.processes.request_body import NoBody, parser
from actors.protocol.messages import REPLY, Context, Effects, IncomingMessage, Refusal

Method = Callable[[Any, Any, Context], Effects]
M = TypeVar("M", bound=Method)


class Handler(NamedTuple):
    """What a process does for an action."""

    method: Method
    parse: Callable[[bytes], Any]
    """Reads the message's data, or refuses it."""


def action(*names: str, body: type = NoBody, optional: bool = False) -> Callable[[M], M]:
    """Mark a method as what is done for the actions of these names.

    Args:
        names: the actions.
        body: what the message's data has to be.
        optional: the data may also be left out.
    """

    def mark(method: M) -> M:
        handler = Handler(method, parser(body, optional=optional))
        method.__dict__["handlers"] = dict.fromkeys(names, handler)
        return method

    return mark


class Process:
    """A deterministic state machine with one method per action.

    A method takes the message's body and its context and returns effects. It changes state only by putting a new value
    into ``self.state``: states are immutable all the way down, so when a method raises, the state before is simply put
    back, a dryrun needs no copy, and a state that was handed out never changes.
    """

    __slots__ = ("state",)  # a world holds as many as there are handles and sessions

    module: ClassVar[str]
    """Name and version, as in ``mostao.session@1``."""
    handlers: ClassVar[dict[str, Handler]]

    state: msgspec.Struct

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.handlers = {}
        for kind in reversed(cls.__mro__):  # a new version may build on the one before
            for method in list(vars(kind).values()):
                cls.handlers |= getattr(method, "handlers", {})

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from the data of the spawning message.

        Raises:
            Refusal: the data is not what the module starts from.
        """
        raise NotImplementedError

    def receive(self, message: IncomingMessage, context: Context) -> Effects:
        """Handle one message. Whoever calls puts ``state`` back if this raises.

        Raises:
            Refusal: it cannot be done.
        """
        handler = self.handlers.get(message.action)
        if handler is None:
            raise Refusal(self._unknown(message.action))
        return handler.method(self, handler.parse(message.data), context)

    @action(REPLY)
    def ignore_reply(self, body: NoBody, context: Context) -> Effects:
        """A refusal of something that was sent, or an answer that nobody waits for, changes nothing."""
        return Effects(None)

    def _replace(self, **changes: Any) -> None:
        """Put the state with some fields changed into place."""
        self.state = msgspec.structs.replace(self.state, **changes)

    def _unknown(self, name: str) -> str:
        if not name:
            return "the message has no Action tag"
        known = ", ".join(sorted(known for known in self.handlers if known != REPLY))
        return f"{self.module} knows no action {name[:64]!r}; it knows {known}"


SUCCESS = {"status": "success"}


def succeed(**fields: Any) -> dict[str, Any]:
    """The answer to something done."""
    return {**SUCCESS, **fields}


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are one owner's: exactly, but an Ethereum address in any case."""
    return one == other or (one[:2] == other[:2] == "0x" and one.lower() == other.lower())
