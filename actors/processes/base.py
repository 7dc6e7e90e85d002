"""The base class of processes, and the declaration of actions."""

import sys
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from actors.processes.limits import ANSWER_BYTES_MAX, ANSWER_CHARACTERS_SAFE
from actors.processes.request_body import EmptyBody, parser
from actors.protocol.messages import REPLY, Context, Effects, IncomingMessage, Refusal

Method = Callable[[Any, Any, Context], Effects]
M = TypeVar("M", bound=Method)


class Handler(NamedTuple):
    """The declaration of an action. The protocol reference is generated from it (``protocol_reference.py``)."""

    method: Method
    parse: Callable[[bytes], Any]
    """Parses the message's data, or raises ``Refusal``."""
    body: type
    optional: bool
    callers: str
    reply: str


ANYONE = "anyone"


def action(
    *names: str,
    body: type = EmptyBody,
    optional: bool = False,
    any_data: bool = False,
    data_max: int = sys.maxsize,
    callers: str = ANYONE,
    reply: str = "",
) -> Callable[[M], M]:
    """Declare a method as the handler of one or several actions.

    Args:
        names: names of the actions.
        body: type of the message's data.
        optional: whether the data may be empty.
        any_data: whether data that is no JSON object counts as empty.
        data_max: most bytes of the data. Fields that are not declared count.
        callers: who may call the action, for the protocol reference. The method itself has to enforce it.
        reply: form of the reply, for the protocol reference.
    """

    def declare(method: M) -> M:
        parse: Callable[[bytes], Any] = parser(body, optional=optional, any_data=any_data, data_max=data_max)
        handler = Handler(method, parse, body, optional or any_data, callers, reply)
        method.__dict__["handlers"] = dict.fromkeys(names, handler)
        return method

    return declare


class Process:
    """A deterministic state machine with one method per action.

    A method takes the message's body and its context, and returns effects. It changes state only by assigning a new
    value to ``self.state``. States are deeply immutable: evaluation restores the previous state when a method raises, a
    dryrun needs no copy, and a state that was returned never changes.
    """

    __slots__ = ("state",)  # a node holds one process per handle and session, so each has to be small

    module: ClassVar[str]
    """Name and version, such as ``mostao.session@1``."""
    start_body: ClassVar[type] = EmptyBody
    """Type of the spawning message's data, for the protocol reference."""
    handlers: ClassVar[dict[str, Handler]]
    is_limited: ClassVar[bool] = False
    """Whether answers and refusals have the limits of ``limits.py``. The first versions of modules have none."""
    answer_characters_safe: ClassVar[int] = sys.maxsize
    """Length of a reply up to which its bytes need no counting."""

    state: msgspec.Struct

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.answer_characters_safe = ANSWER_CHARACTERS_SAFE if cls.is_limited else sys.maxsize
        cls.handlers = {}
        for kind in reversed(cls.__mro__):  # a new version may extend the previous one
            for method in list(vars(kind).values()):
                cls.handlers |= getattr(method, "handlers", {})

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from the data of the spawning message.

        Raises:
            Refusal: the data is not the module's start body.
        """
        raise NotImplementedError

    def receive(self, message: IncomingMessage, context: Context) -> Effects:
        """Handle one message. If this raises, the caller restores the previous ``state``.

        Raises:
            Refusal: the handler refuses the message.
        """
        handler = self.handlers.get(message.action)
        if handler is None:
            raise Refusal(self._unknown(message.action))
        return handler.method(self, handler.parse(message.data), context)

    def check_answer(self, action: str, answer: str) -> None:
        """Check the bytes of a reply that is longer than ``answer_characters_safe``.

        Raises:
            Refusal: the reply is too long. The text names the fields that give a part of it.
        """
        if len(answer.encode()) <= ANSWER_BYTES_MAX:
            return
        known = getattr(self.handlers[action].body, "__struct_fields__", ())
        fields = " and ".join(f"{name!r}" for name in _PAGING if name in known)
        how = f": give {fields} to get it in parts" if fields else ""
        raise Refusal(f"an answer has at most {ANSWER_BYTES_MAX} bytes, and this one is longer{how}")

    @action(REPLY, callers="a process")
    def ignore_reply(self, body: EmptyBody, context: Context) -> Effects:
        """Ignore a reply or refusal. By default it changes nothing."""
        return Effects(None)

    def _replace(self, **changes: Any) -> None:
        """Assign a state with some fields changed."""
        self.state = msgspec.structs.replace(self.state, **changes)

    def _unknown(self, name: str) -> str:
        if not name:
            return "the message has no Action tag"
        known = ", ".join(sorted(known for known in self.handlers if known != REPLY))
        return f"{self.module} knows no action {name[:64]!r}; it knows {known}"


_PAGING = ("limit", "offset", "after")
"""Fields of a body that select a part of a list."""
SUCCESS = {"status": "success"}


def succeed(**fields: Any) -> dict[str, Any]:
    """The reply to a successful change."""
    return {**SUCCESS, **fields}


def same_address(a: str, b: str) -> bool:
    """Whether two addresses are equal. Ethereum addresses are compared without case."""
    return a == b or (a[:2] == b[:2] == "0x" and a.lower() == b.lower())
