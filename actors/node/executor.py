"""What happens between the door and the disk: each message gets its place, is evaluated, and what it sends goes on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import pykka

from actors.ans104.item import DataItem, ItemRefused, NoSuchProcess, message_of
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.results import result_of
from actors.node.actor_pool import ActorPool
from actors.node.fair_queue import COMMIT_QUEUE_MAX, FairQueue
from actors.node.group_commit import GroupCommit
from actors.node.ingress import PendingItem
from actors.node.log_writer import Appender
from actors.node.passivation import Passivation
from actors.node.process_actor import ProcessActor
from actors.node.recovery import Opened
from actors.processes import MODULES
from actors.protocol.messages import Result
from eventstore import Assignment, EventStoreError, Message
from eventstore.sqlite.snapshots import snapshots_path


class NodeFailed(EventStoreError):
    """A message could not be evaluated: the node takes nothing more. What was acknowledged is in the log."""


class Conductor:
    """Assigns messages in one order, lets the processes evaluate them in that order, and answers what is durable.

    Args:
        opened: the log and its processes.
        appender: makes batches durable.
        pool: where snapshots are written.
        clock: gives the time in ms.
        nobody_on_the_way: whether no message is on its way to the admission.
        forget: is told of a message that had a place in the queue, and is not assigned after all.
        max_live: processes that live in memory at one time.
        idle_s: seconds without a message after which a process leaves memory.
    """

    def __init__(
        self,
        opened: Opened,
        appender: Appender,
        pool: Executor,
        *,
        clock: Callable[[], int],
        nobody_on_the_way: Callable[[], bool],
        forget: Callable[[str], None],
        max_live: int,
        idle_s: float,
    ) -> None:
        self._world, self._sequencer = opened.world, opened.replayed.sequencer
        self._clock, self._nobody_on_the_way, self._forget = clock, nobody_on_the_way, forget
        self.admission = FairQueue()
        self.live = ActorPool(self._start_actor)
        self.commits = GroupCommit(appender, self._sequencer.sequence, self._advanced)
        opened.idle.expect(self.commits.pending)
        self.passivation = Passivation(
            self._world,
            self._sequencer,
            self.commits,
            opened.idle,
            snapshots_path(opened.log.path),
            mark=opened.mark,
            pool=pool,
            released=self.live.release,
            resume=self.assign_next,
            max_live=max_live,
            idle_s=idle_s,
        )
        self._evaluated_until = self._sequencer.sequence
        self._evaluating: dict[int, asyncio.Future[Result]] = {}
        self._boundaries: list[asyncio.Future[int]] = []

    def admit(self, arrival: PendingItem) -> None:
        """Let a message from outside wait for its turn."""
        self.admission.add(arrival)
        self.assign_next()

    def assign(self, message: Message) -> int:
        """Put a message at the end of the log and into its process's mailbox; gives its sequence."""
        assignment = self._sequencer.assign(message, self._clock())
        self.live.of(message.target).tell(assignment)
        return assignment.sequence

    def assign_next(self) -> None:
        """Assign the next message from outside, but only when all that the one before caused is evaluated.

        So a message and its effects stand together in the log, and nothing from outside comes between a message and
        what it had to send: where something does, something was taken away.
        """
        while self._evaluated_until == self._sequencer.sequence and not self._must_wait():
            arrival = self.admission.next()
            if arrival is None:
                return
            item, waiter, _ = arrival
            try:
                message = self._message(item)
            except ItemRefused as refusal:
                self._forget(item.id)
                if not waiter.done():
                    waiter.set_exception(refusal)
                continue
            self._evaluating[self.assign(message)] = waiter

    def next_round(self) -> None:
        """Let those who had all their turns have more, when everybody else has been served; and go on."""
        if self._nobody_on_the_way() and self.commits.durable == self._sequencer.sequence:
            self.admission.renew()
        self.assign_next()

    async def drain(self) -> None:
        """Wait until everything that was admitted is evaluated, with all that it caused, and durable."""
        while self.admission or self.commits.durable < self._sequencer.sequence:
            await self.commits.wait(self._sequencer.sequence)
            if self.admission:
                await self.passivation.done()

    async def quiescent_sequence(self) -> int:
        """Sequence up to which every message stands in the log with all that it caused, once that is durable.

        Every message that is assigned when this is called is among them.

        Raises:
            EventStoreError: it never will be durable; says why.
        """
        sequence = self._sequencer.sequence
        if self._evaluated_until != sequence and self.commits.failed is None:
            boundary: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._boundaries.append(boundary)
            sequence = await boundary
        await self.commits.wait(sequence)
        return sequence

    def _advanced(self) -> None:
        """More of the log is durable, or nothing more will be."""
        if self.commits.failed is None:
            self.next_round()
            return
        waiting: list[asyncio.Future[Any]] = [*self._evaluating.values(), *self._boundaries]
        self._evaluating.clear()
        self._boundaries.clear()
        for item, waiter, _ in self.admission.drain():
            self._forget(item.id)
            waiting.append(waiter)
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(self.commits.failed)

    def _must_wait(self) -> bool:
        """Whether there is no room for another message: among what is on its way to the disk, or in memory."""
        undurable = self._sequencer.sequence - self.commits.durable
        return undurable >= COMMIT_QUEUE_MAX or self.passivation.must_wait()

    def _message(self, item: DataItem) -> Message:
        if item.starts_process:
            if item.tag("Module") not in MODULES:
                raise ItemRefused(f"there is no module {item.tag('Module')!r}; there are {', '.join(MODULES)}")
        elif not item.target:
            raise ItemRefused("the item has no target: name the process that it is for")
        elif not self._world.has(item.target):
            raise NoSuchProcess(f"there is no process {item.target!r}")
        return message_of(item)

    def _evaluated(self, assignment: Assignment, evaluated: Evaluated) -> None:
        """Take what an actor made of an assignment: keep it, send what it sends, and answer when it is durable."""
        assignment.output, assignment.error = evaluated.output, evaluated.error
        self.commits.add(assignment)
        for message in evaluated.outbox:
            self.assign(message)
        self._evaluated_until = assignment.sequence
        if self._boundaries and assignment.sequence == self._sequencer.sequence:
            for boundary in self._boundaries:
                if not boundary.done():
                    boundary.set_result(assignment.sequence)
            self._boundaries.clear()
        waiter = self._evaluating.pop(assignment.sequence, None)
        if waiter is not None:
            result = result_of(
                assignment.message,
                evaluated.outbox,
                output=evaluated.output,
                error=evaluated.error,
                sequence=assignment.sequence,
            )
            self.commits.release(result, waiter)
        if self.admission:
            self.assign_next()

    def _not_evaluated(self, assignment: Assignment, error: Exception) -> None:
        """Stop: nothing that comes after it can be evaluated either, so nothing of it is written."""
        reason = f"{type(error).__name__}: {error}"
        self.commits.fail(
            NodeFailed(f"the node stopped: event {assignment.sequence} could not be evaluated ({reason})")
        )

    def _start_actor(self) -> pykka.ActorRef[ProcessActor]:
        return ProcessActor.start(self._world, self._evaluated, self._not_evaluated)
