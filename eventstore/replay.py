"""Rebuild everything from the log alone, and compare what comes out with what the log says came out."""

from collections.abc import Callable, Iterable
from typing import Protocol

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message
from eventstore.sequencer import Sequencer


class Evaluation(Protocol):
    """What evaluating one assignment gave, as far as the log is concerned."""

    @property
    def outbox(self) -> list[Message]:
        """The messages that have to be assigned next because of it, in order. Handed over: replay takes from it."""

    @property
    def output(self) -> str | None:
        """Its answer."""

    @property
    def error(self) -> str | None:
        """Why it was refused, if it was."""


class Replay:
    """Follows a log assignment by assignment. What it holds afterwards is what a node needs to go on.

    Attributes:
        sequencer: stands at the end of what was followed.
        unsent: messages that an evaluation sent and the log does not hold (yet), by the parent's sequence: empty for
            a log that was closed in peace, the cut-off tail of one whose node was killed.
    """

    def __init__(self, evaluate: Callable[[Assignment], Evaluation], *, check_chains: bool = True) -> None:
        """Prepare to follow a log from its beginning.

        Args:
            evaluate: gives what an assignment's evaluation comes to; called for each, in order.
            check_chains: follow the order and both chains too. Without, somebody else has to.
        """
        self.sequencer = Sequencer()
        self.unsent: dict[int, list[Message]] = {}
        self._evaluate = evaluate
        self._accept = self.sequencer.accept if check_chains else self.sequencer.trust

    def follow(self, assignments: Iterable[Assignment]) -> None:
        """Replay assignments in order.

        Raises:
            LogFault: the first one that cannot be what a node wrote.
        """
        accept, accept_sender, evaluate = self._accept, self._accept_sender, self._evaluate
        for assignment in assignments:
            accept(assignment)
            accept_sender(assignment)
            evaluation = evaluate(assignment)
            outbox = evaluation.outbox
            if outbox:
                self.unsent[assignment.sequence] = outbox
            if evaluation.output != assignment.output:
                raise _fault(assignment, "output", evaluation.output, assignment.output)
            if evaluation.error != assignment.error:
                raise _fault(assignment, "error", evaluation.error, assignment.error)

    def _accept_sender(self, assignment: Assignment) -> None:
        message = assignment.message
        if message.parent is None:
            if message.envelope is None:
                raise _fault(assignment, "neither a parent nor an envelope", "one of them", None)
            return
        queue = self.unsent.get(message.parent)
        if queue is None:
            raise _fault(assignment, "a message that its parent did not send", None, message.id)
        due = queue.pop(0)  # short: what one message sent
        if message != due:
            raise _fault(assignment, "not the next message of its parent", due, message)
        if not queue:
            del self.unsent[message.parent]


def _fault(assignment: Assignment, what: str, expected: object, found: object) -> LogFault:
    return LogFault(what, sequence=assignment.sequence, process=assignment.process, expected=expected, found=found)
