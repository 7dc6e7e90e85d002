"""Stage 4, the executor: assign each message its place in the log, evaluate it, and enqueue the messages it sends.

This is the only place that defines order and time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pykka

from actors.ans104.item import DataItem, ItemRefused, NoSuchProcess, message_of
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable
from actors.evaluation.results import result_of
from actors.node.actor_pool import ActorPool
from actors.node.append_limits import UNCHARGED, AppendLimits
from actors.node.clock_guard import ClockUnreliable
from actors.node.group_commit import GroupCommit
from actors.node.limits import Limits
from actors.node.passivation import Passivation
from actors.node.pending_item import PendingItem
from actors.node.process_actor import Dryrun, ProcessActor
from actors.processes import MODULES, SUPERSEDED
from eventstore import Assignment, EventStoreError, Message, Sequencer


class NodeFailed(EventStoreError):
    """A message could not be evaluated, so the node stopped. Everything that was acknowledged is in the log."""


class Executor:
    """Executes one external message at a time, with everything that it causes.

    So a message and its effects are contiguous in the log. If something external stands between them, the log was
    tampered with.

    Args:
        processes: the state of every process.
        sequencer: stands at the end of the log.
        group_commit: the next stage. This object becomes its ``on_progress``.
        passivation: evicts idle processes between two external messages. This object becomes its ``on_done`` and
            ``on_evict``.
        clock: gives the time in ms since the epoch, or raises ``ClockUnreliable``: external messages are then refused.
        append_limits: refuse the items of senders that appended too much; None for no limits.
        limits: of the node.

    Attributes:
        on_ready: called when the executor may have become ready, or failed.
        actors: the actor of each live process.
        is_newest: whether the log began with the newest registry, so that items start only newest modules, which have
            limits. Replay does not check it.
    """

    def __init__(
        self,
        processes: ProcessTable,
        sequencer: Sequencer,
        group_commit: GroupCommit,
        passivation: Passivation,
        append_limits: AppendLimits | None,
        *,
        clock: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._processes, self._sequencer, self._clock = processes, sequencer, clock
        self._group_commit, self._passivation = group_commit, passivation
        self._append_limits, self._charge = append_limits, UNCHARGED
        self._undurable_max = limits.undurable_max
        self.on_ready: Callable[[], None] = _ignore
        self.actors = ActorPool(self._start_actor)
        self.is_newest = False
        self._evaluated_until = sequencer.sequence
        self._executing: dict[int, PendingItem] = {}
        self._quiescence: list[asyncio.Future[int]] = []
        group_commit.on_progress = self._progressed
        passivation.on_evict = self.actors.recycle
        passivation.on_done = self._continue

    @property
    def failure(self) -> EventStoreError | None:
        """The error that stopped execution, or None."""
        return self._group_commit.failure

    @property
    def is_idle(self) -> bool:
        """Whether everything that was assigned is durable."""
        return self._group_commit.durable == self._sequencer.sequence

    @property
    def is_ready(self) -> bool:
        """Whether an external message may be executed now.

        Everything that the message before caused must be evaluated, and there must be room for undurable events and
        for live processes.
        """
        sequence = self._sequencer.sequence
        return (
            self._evaluated_until == sequence
            and sequence - self._group_commit.durable < self._undurable_max
            and self._passivation.has_room()
        )

    def execute(self, pending: PendingItem) -> None:
        """Assign an external message, or refuse it if it has no target. Call only while ``is_ready``."""
        before = self._sequencer.sequence
        try:
            if self._append_limits is not None:  # the ingress checked it, but items before it were evaluated since
                self._append_limits.check(pending.charge, pending.item)
                self._charge = pending.charge
            sequence = self._assign(self._message(pending.item), self._clock())
        except Exception as error:  # no target, an unreadable history, a limit, or a clock that jumped
            pending.refuse(error)
            if self._sequencer.sequence != before:
                self._stop(f"event {self._sequencer.sequence} could not be delivered", error)
        else:
            pending.is_assigned = True
            self._executing[sequence] = pending

    def assign(self, message: Message) -> int:
        """Append a message that a process sent to the order, and put it into its target's mailbox."""
        return self._assign(message, self._now())

    async def dryrun(self, message: Message) -> Evaluated:
        """Evaluate a message against the current state, and wait until all that it may depend on is durable."""
        if len(self._processes.entries) > self._passivation.live_max:
            self._evict_if_due()
            await self._passivation.done()
        now = max(self._now(), self._sequencer.timestamp)
        evaluated: Evaluated = await self.actors.of(message.target).ask(Dryrun(message, now), block=False)
        await self.drain()
        return evaluated

    async def drain(self) -> None:
        """Wait until everything that is assigned now is durable.

        Raises:
            EventStoreError: it never will be.
        """
        await self._group_commit.wait(self._sequencer.sequence)

    async def quiescent_sequence(self) -> int:
        """Sequence up to which the log contains every message together with all that it caused, all of it durable.

        It includes every message that is assigned when this is called.

        Raises:
            EventStoreError: it never will be durable.
        """
        sequence = self._sequencer.sequence
        if self._evaluated_until != sequence and self.failure is None:
            quiescent: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._quiescence.append(quiescent)
            sequence = await quiescent
        await self._group_commit.wait(sequence)
        return sequence

    def _progressed(self) -> None:
        """Called after each batch and on failure."""
        failure = self.failure
        if failure is not None:
            for pending in self._executing.values():
                pending.refuse(failure)
            for quiescent in self._quiescence:
                if not quiescent.done():
                    quiescent.set_exception(failure)
            self._executing.clear()
            self._quiescence.clear()
        self._continue()

    def _continue(self) -> None:
        """Start an eviction if one is due, and let the fair queue hand over the next message."""
        self._evict_if_due()
        self.on_ready()

    def _evict_if_due(self) -> None:
        """Start an eviction if one is due, also on a node that receives no messages."""
        if self._evaluated_until == self._sequencer.sequence:
            self._passivation.has_room()

    def _assign(self, message: Message, now_ms: int) -> int:
        """Append a message to the order, and put it into its process's mailbox. Returns its sequence."""
        assignment = self._sequencer.assign(message, now_ms)
        self.actors.of(message.target).tell(assignment)
        return assignment.sequence

    def _now(self) -> int:
        """The time of an effect or a dryrun. Effects follow their cause, so they keep its time if the clock jumped."""
        try:
            return self._clock()
        except ClockUnreliable:
            return self._sequencer.timestamp

    def _message(self, item: DataItem) -> Message:
        if item.starts_process:
            self._check_module(item.tag("Module"))
        elif not item.target:
            raise ItemRefused("the item has no target: name the process that it is for")
        elif not self._processes.has(item.target):
            raise NoSuchProcess(f"there is no process {item.target!r}")
        return message_of(item)

    def _check_module(self, module: str) -> None:
        if module not in MODULES:
            known = [name for name in MODULES if not (self.is_newest and name in SUPERSEDED)]
            raise ItemRefused(f"there is no module {module!r}; there are {', '.join(known)}")
        if self.is_newest and module in SUPERSEDED:
            raise ItemRefused(f"the module {module!r} is superseded: start {SUPERSEDED[module]!r}")

    def _evaluated(self, assignment: Assignment, evaluated: Evaluated) -> None:
        """Commit an evaluated assignment, assign its effects, and release its result when it is durable."""
        assignment.output, assignment.error = evaluated.output, evaluated.error
        self._group_commit.add(assignment)
        if self._append_limits is not None:
            self._append_limits.count(self._charge, assignment)
        for message in evaluated.outbox:
            self.assign(message)
        sequence = self._evaluated_until = assignment.sequence
        pending = self._executing.pop(sequence, None)
        if pending is not None:
            result = result_of(
                assignment.message,
                evaluated.outbox,
                output=evaluated.output,
                error=evaluated.error,
                sequence=sequence,
            )
            self._group_commit.release_when_durable(result, pending.result)
        if sequence == self._sequencer.sequence:  # all effects are evaluated
            for quiescent in self._quiescence:
                if not quiescent.done():
                    quiescent.set_result(sequence)
            self._quiescence.clear()
            self.on_ready()

    def _not_evaluated(self, assignment: Assignment, error: Exception) -> None:
        self._stop(f"event {assignment.sequence} could not be evaluated", error)

    def _stop(self, what: str, error: Exception) -> None:
        """Stop the node: nothing after this event can be evaluated either, so none of it is written."""
        self._group_commit.fail(NodeFailed(f"the node stopped: {what} ({type(error).__name__}: {error})"))

    def _start_actor(self) -> "pykka.ActorRef[ProcessActor]":
        return ProcessActor.start(self._processes, on_evaluated=self._evaluated, on_failed=self._not_evaluated)


def _ignore(*_: Any) -> None:
    """The default of a callback that nothing has set yet."""
