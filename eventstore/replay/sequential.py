"""Sequential replay: rebuilds all state from a log, and compares every result with the log's."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message, malformed
from eventstore.sequencer import Sequencer


class Evaluation(Protocol):
    """The result of evaluating one assignment, as far as the log records it."""

    @property
    def outbox(self) -> list[Message]:
        """The messages that the evaluation sent, in order. They are assigned next. The caller may consume the list."""

    @property
    def output(self) -> str | None:
        """The reply."""

    @property
    def error(self) -> str | None:
        """Why the process refused the message; None if it accepted the message."""


class Unevaluable(Exception):
    """An assignment that no node can have evaluated. The message says why."""


class Replay:
    """Replays a log, assignment by assignment. Its state at the end is the state from which a node continues.

    Attributes:
        sequencer: at the end of the replayed assignments.
        pending_outbox: messages that evaluations sent and that the log does not contain yet, in order. It is empty for
            a log that was closed properly. If the node was killed, it contains the missing messages.
    """

    def __init__(
        self,
        evaluate: Callable[[Assignment], Evaluation],
        *,
        sequencer: Sequencer | None = None,
        check_chains: bool = True,
        on_fault: Callable[[LogFault], None] | None = None,
    ) -> None:
        """Prepare to replay a log.

        Args:
            evaluate: evaluates an assignment; called for each, in order. May raise ``Unevaluable``.
            sequencer: at the position where the replay starts. Default: the beginning of a log.
            check_chains: verify both chains. Without it, the caller verifies them separately.
            on_fault: called with each fault; replay continues after it. Without it, the first fault is raised.
        """
        self.sequencer = sequencer or Sequencer()
        self.pending_outbox: deque[Message] = deque()
        self._evaluate = evaluate
        self._verify = self.sequencer.verify_next if check_chains else self.sequencer.verify_next_order
        self._on_fault = on_fault or _raise

    def follow(self, assignments: Iterable[Assignment]) -> None:
        """Replay assignments in order.

        Raises:
            LogFault: the first assignment that a node cannot have written. A row whose columns have wrong types is
                raised even with ``on_fault``, because the rows after it cannot be verified.
        """
        verify, check_sender, evaluate, pending = self._verify, self._check_sender, self._evaluate, self.pending_outbox
        for assignment in assignments:
            try:
                try:
                    verify(assignment)
                except LogFault as fault:
                    _check_types(assignment)
                    self._on_fault(fault)
                    self.sequencer.force(assignment)
                check_sender(assignment)
                evaluation = evaluate(assignment)
            except Unevaluable as error:
                self._fault(assignment, str(error), "a message that can be evaluated", assignment.message.action)
                continue
            except (TypeError, ValueError, AttributeError, LookupError):
                _check_types(assignment)
                raise
            if evaluation.outbox:
                pending.extend(evaluation.outbox)
            if evaluation.output != assignment.output:
                self._fault(assignment, "output", evaluation.output, assignment.output)
            if evaluation.error != assignment.error:
                self._fault(assignment, "error", evaluation.error, assignment.error)

    def _check_sender(self, assignment: Assignment) -> None:
        """A message from a process must be the next pending one. An external message must have an envelope."""
        message, pending = assignment.message, self.pending_outbox
        if message.parent is None:
            if message.envelope is None:
                self._fault(assignment, "neither a parent nor an envelope", "one of them", None)
            if pending:  # a node assigns all pending messages before it accepts an external one
                self._fault(assignment, "a message is missing before it", describe(pending[0]), describe(message))
                pending.clear()
        elif not pending:
            self._fault(assignment, "a message that no evaluation sent", None, message.id)
        elif message == pending[0]:
            pending.popleft()
        else:
            self._fault(assignment, "not the next message that was sent", describe(pending[0]), describe(message))
            if message in pending:
                pending.remove(message)
            elif any(message.id == sent.id for sent in pending):
                others = [sent for sent in pending if sent.id != message.id]
                pending.clear()
                pending.extend(others)

    def _fault(self, assignment: Assignment, what: str, expected: object, found: object) -> None:
        self._on_fault(LogFault.at(assignment, what, expected, found))


def _check_types(assignment: Assignment) -> None:
    """Raise if columns have wrong types. Only called after another error: for every row it would cost over 10%."""
    reason = malformed(assignment)
    if reason is not None:
        raise LogFault.of_malformed_row(assignment, reason) from None


def _raise(fault: LogFault) -> None:
    raise fault


def describe(message: Message) -> str:
    """Describe a message in one line, for a person."""
    return f"{message.action} {message.id} of {message.sender} to {message.target} caused by {message.parent}"
