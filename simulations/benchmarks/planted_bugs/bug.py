"""What a planted bug is, and how it is planted."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, NamedTuple
from unittest.mock import patch

from actors.processes import MODULES, Process
from actors.protocol.messages import Effects

Proceed = Callable[[], Effects]
"""Calls the correct handler."""
Around = Callable[[Proceed, Any, Any, Any], Effects]
"""Replaces a handler: gets a call of the correct handler, the process, the body and the context."""


class Plant:
    """Plants bugs until the block of ``planted`` ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute of a class or module."""
        self._stack.enter_context(patch.object(owner, name, value))

    def handler(self, module: str, action: str, around: Around) -> None:
        """Replace the handler of an action in all versions of a module.

        Args:
            module: name of the module without its version.
            action: name of the action.
            around: the wrong handler.
        """
        kinds = [kind for kind in MODULES.values() if kind.module.partition("@")[0] == module]
        for kind in kinds:
            if action in kind.handlers:
                self._stack.enter_context(patch.dict(kind.handlers, {action: _wrapped(kind, action, around)}))


class PlantedBug(NamedTuple):
    """A bug that a sweep must find."""

    name: str
    description: str
    plant: Callable[[Plant], None]
    faults: Mapping[str, Any] = {}
    """Faults of the worlds beside those of the scenario."""


@contextmanager
def planted(bug: PlantedBug) -> Iterator[None]:
    """Plant a bug in this Python process until the block ends."""
    with ExitStack() as stack:
        bug.plant(Plant(stack))
        yield


def every(number: int) -> Callable[[], bool]:
    """A function that returns True in every ``number``-th call."""
    calls = count(1)
    return lambda: next(calls) % number == 0


def _wrapped(kind: type[Process], action: str, around: Around) -> Any:
    handler = kind.handlers[action]

    def method(self: Any, body: Any, context: Any) -> Effects:
        return around(lambda: handler.method(self, body, context), self, body, context)

    return handler._replace(method=method)
