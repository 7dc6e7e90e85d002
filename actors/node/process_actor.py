"""A live process: an actor whose mailbox holds the assignments that it has to evaluate, in their order."""

from collections.abc import Callable
from typing import NamedTuple

from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable
from actors.runtime.asyncio_actor import AsyncioActor
from eventstore import Assignment, Message


class Dryrun(NamedTuple):
    """Ask what a message would give now."""

    message: Message
    timestamp: int


class ProcessActor(AsyncioActor):
    """Runs one process of a world.

    ``tell`` it an ``Assignment`` to evaluate; ``ask`` it a ``Dryrun`` for a result that leaves everything as it is.
    """

    def __init__(
        self,
        world: ProcessTable,
        evaluated: Callable[[Assignment, Evaluated], None],
        failed: Callable[[Assignment, Exception], None],
    ) -> None:
        super().__init__()
        self._world = world
        self._evaluated = evaluated
        self._failed = failed

    def on_receive(self, message: Assignment | Dryrun) -> Evaluated | None:
        """Evaluate, in the order in which the messages came."""
        if type(message) is Assignment:
            try:
                evaluated = self._world.evaluate(message)
            except Exception as error:  # no refusal, which is a result: the process itself could not be had
                self._failed(message, error)
            else:
                self._evaluated(message, evaluated)
            return None
        assert type(message) is Dryrun
        return self._world.dryrun(message.message, timestamp=message.timestamp)
