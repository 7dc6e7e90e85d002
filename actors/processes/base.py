"""What a process is."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import msgspec

from actors.messages import REPLY, Context, Effects, IncomingMessage, Refusal

Handler = Callable[[Any, IncomingMessage, Context], Effects]
H = TypeVar("H", bound=Handler)


def action(*names: str) -> Callable[[H], H]:
    """Mark a method as the handler of the actions of these names."""

    def mark(handler: H) -> H:
        handler.__dict__["actions"] = names
        return handler

    return mark


class Process:
    """A deterministic state machine with one method per action.

    A handler takes the message and its context and returns effects. It changes state only by putting a new value into
    ``self.state``: states are immutable all the way down, so when a handler raises, the state before is simply put
    back, a dryrun needs no copy, and a state that was handed out never changes.
    """

    module: ClassVar[str]
    """Name and version, as in ``mostao.session@1``."""
    handlers: ClassVar[dict[str, Handler]]

    state: msgspec.Struct

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.handlers = {name: handler for handler in vars(cls).values() for name in getattr(handler, "actions", ())}

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
        return handler(self, message, context)

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
