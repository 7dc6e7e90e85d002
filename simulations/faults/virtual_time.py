"""Virtual time: people act concurrently, the clock jumps, and the log depends on nothing but the plan.

The people's code is plain ``async`` code that waits for three things only: the result of a message, the result of a
query, and a point in virtual time. Once all people wait, the pending messages and queries go to the node in the order
in which they were made. When the node is quiescent, their results are released in the same order. If no message or
query is pending, the clock jumps to the next point for which a person waits. Therefore the plan alone determines the
log's order, regardless of the speed of the machine and its disk.
"""

import asyncio
import heapq
import time
from array import array
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from actors.ans104.item import item_id
from actors.protocol.messages import Result
from eventstore import LogFailed
from simulations.faults.crashable_node import CrashableNode

ROUND_TRIP_MS = 20
"""Virtual time between a request and its reply."""
IN_FLIGHT_MAX = 4096
"""Messages in flight, below the node's own limit, so that the node rejects none as overload."""


class NodeDown(Exception):
    """The node crashed before it replied. The sender does not know whether the message is in the log."""


class Crashes(Protocol):
    """When a node crashes."""

    def next_crash(self, sequence: int, now_ms: int) -> int | None:
        """The last event that becomes durable before the next crash; None if no crash is due."""

    def crashed(self) -> None:
        """Remove the crash that ``next_crash`` returned last, because it has occurred."""


class Query(NamedTuple):
    """A query of a process."""

    process: str
    action: str
    data: str


class PendingRequest(NamedTuple):
    """A message or a query whose sender waits for the result."""

    call: Callable[[], Coroutine[Any, Any, Result]]
    future: "asyncio.Future[Result]"
    message_id: str = ""
    """Empty for a query."""
    query: Query | None = None
    """None for a message."""


class Observer(Protocol):
    """Watches the steps of a world."""

    async def check_step(
        self, requests: Sequence[PendingRequest], replies: "Sequence[Result | BaseException]", *, restarted: bool
    ) -> None:
        """Called when the node is quiescent after a step, before the replies are released.

        Args:
            requests: queries and messages, in the order in which they reached the node.
            replies: their replies.
            restarted: whether the node crashed in this step.
        """


class VirtualClock:
    """A clock that moves only when it is set.

    Attributes:
        now_ms: milliseconds since the epoch.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """The time in ms since the epoch."""
        return self.now_ms


class VirtualTime:
    """Runs people on a node in virtual time. It is also the ``NodeClient`` through which they reach the node.

    Args:
        crashable: keeps the node.
        clock: the node's clock.
        crashes: when the node crashes; None for never.

    Attributes:
        registry: process id of the registry.
        clock: the node's clock.
        reply_times_us: real time in microseconds that the node took for each reply.
        observer: watches the steps; None for no observer.
    """

    def __init__(self, crashable: CrashableNode, clock: VirtualClock, crashes: Crashes | None = None) -> None:
        self.registry = crashable.node.registry
        self.clock = clock
        self.reply_times_us = array("Q")
        self.observer: Observer | None = None
        self._crashable = crashable
        self._crashes = crashes
        self._queries: list[PendingRequest] = []
        self._messages: list[PendingRequest] = []
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sleeps = 0
        self._waiting = 0
        self._running = 0

    async def send(self, raw: bytes, *, copies: int = 1, overtakes: bool = False) -> Result:
        """Send a signed item (``Node.send``).

        Args:
            raw: the item.
            copies: number of copies that arrive at the same time.
            overtakes: deliver it before the message that another person sent just before.

        Raises:
            NodeDown: the node crashed before it replied.
        """
        index = len(self._messages) - 1 if overtakes and self._messages else len(self._messages)
        return await self._enqueue(self._messages, lambda: self._deliver(raw, copies), index, item_id(raw))

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """Query a process (``Node.dryrun``)."""
        return await self._enqueue(
            self._queries,
            lambda: self._crashable.node.dryrun(process, action=action, data=data, sender=sender, tags=tags),
            len(self._queries),
            query=Query(process, action, data),
        )

    async def quiescent_sequence(self) -> int:
        """The node's sequence (``Node.quiescent_sequence``): replies are released only when the node is quiescent."""
        return self._crashable.node.sequence

    async def sleep_until(self, now_ms: int) -> None:
        """Wait for a point in virtual time."""
        if now_ms > self.clock.now_ms:
            wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleeps += 1  # sleepers until the same point wake in the order of their calls
            heapq.heappush(self._sleepers, (now_ms, self._sleeps, wake))
            self._waiting += 1
            await wake

    async def run(self, people: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run coroutines of people until all of them have finished.

        Raises:
            Exception: the first exception that one of them raised; the others are cancelled.
        """
        tasks = [asyncio.ensure_future(person) for person in people]
        self._running = len(tasks)
        failed: list[BaseException] = []

        def end(task: "asyncio.Task[None]") -> None:
            self._running -= 1
            if not task.cancelled() and (error := task.exception()) is not None:
                failed.append(error)

        for task in tasks:
            task.add_done_callback(end)
        try:
            while self._running and not failed:
                await asyncio.sleep(0)
                if self._running and self._waiting == self._running:
                    await self._round()
            if failed:
                raise failed[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self) -> None:
        """Execute all pending requests and release their replies; without any, move the clock."""
        if not self._queries and not self._messages:
            self.clock.now_ms = max(self.clock.now_ms, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self.clock.now_ms:
                self._release(heapq.heappop(self._sleepers)[2], None)
            return
        requests = self._queries + self._messages
        queries, self._queries, messages, self._messages = self._queries, [], self._messages, []
        # Queries run first: their results must not depend on the progress of the messages.
        replies: list[Result | BaseException] = []
        if self._crashes is not None:
            self._crashable.crash_after(self._crashes.next_crash(self._crashable.node.sequence, self.clock.now_ms))
        for pending in (queries, messages):
            for start in range(0, len(pending), IN_FLIGHT_MAX):
                batch = pending[start : start + IN_FLIGHT_MAX]
                replies += await asyncio.gather(*(self._timed(request) for request in batch), return_exceptions=True)
        with suppress(LogFailed):
            await self._crashable.node.drain()
        has_crashed = self._crashes is not None and self._crashable.has_crashed
        if self._crashes is not None and has_crashed:
            self._crashes.crashed()
            await self._crashable.restart()
            replies = await self._replies_after_crash(requests, replies)
        if self.observer is not None:
            await self.observer.check_step(requests, replies, restarted=has_crashed)
        self.clock.now_ms += ROUND_TRIP_MS
        for request, reply in zip(requests, replies, strict=True):
            self._release(request.future, reply)

    async def _timed(self, request: PendingRequest) -> Result:
        started = time.perf_counter()
        result = await request.call()
        self.reply_times_us.append(int((time.perf_counter() - started) * 1_000_000))
        return result

    async def _replies_after_crash(
        self, requests: list[PendingRequest], replies: "list[Result | BaseException]"
    ) -> "list[Result | BaseException]":
        """Replace failures by the result if the message is durable, else by ``NodeDown``.

        In reality it depends on chance whether a node that is killed has sent the replies for its last durable batch.
        Here it always has.
        """
        lost = [index for index, reply in enumerate(replies) if isinstance(reply, LogFailed)]
        durable = self._crashable.durable_ids([requests[index].message_id for index in lost])
        replaced = list(replies)
        for index in lost:
            request = requests[index]
            replaced[index] = await request.call() if request.message_id in durable else NodeDown()
        return replaced

    async def _deliver(self, raw: bytes, copies: int) -> Result:
        node = self._crashable.node
        first, *others = await asyncio.gather(*(node.send(raw) for _ in range(copies)))
        if any(other != first for other in others):
            raise AssertionError(f"two copies of one item have different results: {first} and {others}")
        return first

    def _release(self, future: "asyncio.Future[Any]", reply: "Result | BaseException | None") -> None:
        self._waiting -= 1  # here and not in the waiting coroutine: from now on it counts as running
        if isinstance(reply, BaseException):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    async def _enqueue(
        self,
        pending: list[PendingRequest],
        call: Callable[[], Coroutine[Any, Any, Result]],
        index: int,
        message_id: str = "",
        query: Query | None = None,
    ) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        pending.insert(index, PendingRequest(call, future, message_id, query))
        self._waiting += 1
        return await future
