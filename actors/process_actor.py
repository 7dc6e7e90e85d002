"""A live process: an actor whose mailbox holds the assignments that it has to evaluate, in their order."""

from collections.abc import Callable
from typing import NamedTuple

from actors.mailbox import AsyncioActor
from actors.world import Evaluated, World
from eventstore import Assignment, Message


class Dryrun(NamedTuple):
    """Ask what a message would give now."""

    message: Message
    timestamp: int


class ProcessActor(AsyncioActor):
    """Runs one process of a world.

    ``tell`` it an ``Assignment`` to evaluate; ``ask`` it a ``Dryrun`` for a result that leaves everything as it is.
    """

    def __init__(self, world: World, evaluated: Callable[[Assignment, Evaluated], None]) -> None:
        super().__init__()
        self._world = world
        self._evaluated = evaluated

    def on_receive(self, message: Assignment | Dryrun) -> Evaluated | None:
        """Evaluate, in the order in which the messages came."""
        if type(message) is Assignment:
            self._evaluated(message, self._world.evaluate(message))
            return None
        assert type(message) is Dryrun
        return self._world.dryrun(message.message, timestamp=message.timestamp)
