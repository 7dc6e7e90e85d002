"""Rebuild everything from the log alone, and compare what comes out with what the log says came out."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message, malformed
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


class Unevaluable(Exception):
    """An assignment that no node can have evaluated; says why."""


class Replay:
    """Follows a log assignment by assignment. What it holds afterwards is what a node needs to go on.

    Attributes:
        sequencer: stands at the end of what was followed.
        pending_outbox: messages that an evaluation sent and the log does not hold yet, in order. It is empty for a log
            that was closed properly, and holds the missing tail if the node was killed.
    """

    def __init__(
        self,
        evaluate: Callable[[Assignment], Evaluation],
        *,
        sequencer: Sequencer | None = None,
        check_chains: bool = True,
        on_fault: Callable[[LogFault], None] | None = None,
    ) -> None:
        """Prepare to follow a log.

        Args:
            evaluate: gives what an assignment's evaluation comes to; called for each, in order. May raise
                ``Unevaluable``.
            sequencer: stands where the log is to be followed from; at its beginning without one.
            check_chains: follow both chains too. Without, somebody else has to.
            on_fault: takes a fault, and the log is followed further as if it were none; without, the first is raised.
        """
        self.sequencer = sequencer or Sequencer()
        self.pending_outbox: deque[Message] = deque()
        self._evaluate = evaluate
        self._accept = self.sequencer.verify_next if check_chains else self.sequencer.verify_next_order
        self._on_fault = on_fault or _raise

    def follow(self, assignments: Iterable[Assignment]) -> None:
        """Replay assignments in order.

        Raises:
            LogFault: the first one that cannot be what a node wrote; whatever ``on_fault`` says, one whose columns are
                of other types, since nothing behind it can be judged.
        """
        accept, accept_sender, evaluate, unsent = self._accept, self._accept_sender, self._evaluate, self.pending_outbox
        for assignment in assignments:
            try:
                try:
                    accept(assignment)
                except LogFault as fault:
                    _check_types(assignment)
                    self._on_fault(fault)
                    self.sequencer.force(assignment)
                accept_sender(assignment)
                evaluation = evaluate(assignment)
            except Unevaluable as error:
                self._fault(assignment, str(error), "a message that can be evaluated", assignment.message.action)
                continue
            except (TypeError, ValueError, AttributeError, LookupError):
                _check_types(assignment)
                raise
            if evaluation.outbox:
                unsent.extend(evaluation.outbox)
            if evaluation.output != assignment.output:
                self._fault(assignment, "output", evaluation.output, assignment.output)
            if evaluation.error != assignment.error:
                self._fault(assignment, "error", evaluation.error, assignment.error)

    def _accept_sender(self, assignment: Assignment) -> None:
        """A message from inside is the next one that an evaluation sent; one from outside has an envelope."""
        message = assignment.message
        if message.parent is None:
            if message.envelope is None:
                self._fault(assignment, "neither a parent nor an envelope", "one of them", None)
            if self.pending_outbox:  # a node takes nothing in before it has sent what it has to
                self._fault(assignment, "a message is missing before it", named(self.pending_outbox[0]), named(message))
                self.pending_outbox.clear()
        elif not self.pending_outbox:
            self._fault(assignment, "a message that no evaluation sent", None, message.id)
        elif message == self.pending_outbox[0]:
            self.pending_outbox.popleft()
        else:
            self._fault(assignment, "not the next message that was sent", named(self.pending_outbox[0]), named(message))
            if message in self.pending_outbox:
                self.pending_outbox.remove(message)
            elif any(message.id == due.id for due in self.pending_outbox):
                kept = [due for due in self.pending_outbox if due.id != message.id]
                self.pending_outbox.clear()
                self.pending_outbox.extend(kept)

    def _fault(self, assignment: Assignment, what: str, expected: object, found: object) -> None:
        self._on_fault(LogFault.at(assignment, what, expected, found))


def _check_types(assignment: Assignment) -> None:
    """Asked only where something is wrong already: looking at every row would cost more than a tenth of a replay."""
    wrong = malformed(assignment)
    if wrong is not None:
        raise LogFault.of_types(assignment, wrong) from None


def _raise(fault: LogFault) -> None:
    raise fault


def named(message: Message) -> str:
    """A message in a line, for a person who looks for it."""
    return f"{message.action} {message.id} of {message.sender} to {message.target} caused by {message.parent}"
