"""A live process: an actor whose mailbox holds the assignments to evaluate, in their order."""

from collections.abc import Callable
from typing import NamedTuple

from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable
from actors.runtime.asyncio_actor import AsyncioActor
from eventstore import Assignment, Message


class Dryrun(NamedTuple):
    """Evaluate a message at a time (ms) without changing anything."""

    message: Message
    timestamp: int


class ProcessActor(AsyncioActor):
    """Runs one process of the process table.

    ``tell`` it an ``Assignment`` to evaluate; ``ask`` it a ``Dryrun`` for a result that changes nothing.

    Args:
        processes: the state of every process.
        on_evaluated: receives each assignment with what its evaluation produced.
        on_failed: receives an assignment that could not be evaluated. A refusal is a result, not a failure.
    """

    def __init__(
        self,
        processes: ProcessTable,
        *,
        on_evaluated: Callable[[Assignment, Evaluated], None],
        on_failed: Callable[[Assignment, Exception], None],
    ) -> None:
        super().__init__()
        self._processes = processes
        self._on_evaluated = on_evaluated
        self._on_failed = on_failed

    def on_receive(self, message: Assignment | Dryrun) -> Evaluated | None:
        """Evaluate one message."""
        if type(message) is Assignment:
            try:
                self._on_evaluated(message, self._processes.evaluate(message))
            except Exception as error:  # a process could not be restored, or its code is broken
                self._on_failed(message, error)
            return None
        assert type(message) is Dryrun
        return self._processes.dryrun(message.message, timestamp=message.timestamp)
