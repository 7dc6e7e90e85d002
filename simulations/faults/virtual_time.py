"""Virtual time: people act concurrently, the clock jumps, and what comes out depends on nothing but the plan.

Everybody's code is plain ``async`` code that waits only here: for a message's result, for a query's, for a time to
come. When all of them wait, what they asked for is sent to the node in the order in which it was asked; when the node
has settled, the answers are given out in that order; when nobody asked anything, the clock jumps to the next point
that somebody waits for. So the log's order comes from the plan alone, however fast the machine and its disk are.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from actors.ans104.item import item_id
from actors.protocol.messages import Result
from eventstore import LogFailed
from simulations.faults.crashable_node import CrashableNode
from simulations.report.histogram import new_histogram

ROUND_TRIP_MS = 20
"""Virtual time from asking to being answered."""
ASKED_AT_ONCE_MAX = 4096
"""Messages in flight: fewer than a node refuses as too many."""


class NodeDown(Exception):
    """The node died before it answered. Whether the message is in the log, its sender does not know."""


class Crashes(Protocol):
    """When a node dies."""

    def next(self, sequence: int, now_ms: int) -> int | None:
        """The last event that becomes durable before the node dies; None if it lives."""

    def died(self) -> None:
        """It did."""


class Question(NamedTuple):
    """What somebody asked and waits for."""

    ask: Callable[[], Coroutine[Any, Any, Result]]
    answer: "asyncio.Future[Result]"
    message_id: str = ""


class VirtualClock:
    """A clock that stands still until it is moved.

    Attributes:
        now_ms: milliseconds since the epoch.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """The time."""
        return self.now_ms


class VirtualTime:
    """Runs people on a node in virtual time. Is the door that they send through.

    Attributes:
        clock: the node's.
        answered_us: how long the node took to answer, in real time.
    """

    def __init__(self, house: CrashableNode, clock: VirtualClock, crashes: Crashes | None = None) -> None:
        self.registry = house.node.registry
        self.clock = clock
        self.answered_us = new_histogram()
        self._house = house
        self._crashes = crashes
        self._queries: list[Question] = []
        self._messages: list[Question] = []
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sleeps = 0
        self._waiting = 0
        self._living = 0

    async def send(self, raw: bytes, *, copies: int = 1, overtakes: bool = False) -> Result:
        """See ``Node.send``.

        Args:
            raw: the item.
            copies: how many of it arrive at once.
            overtakes: arrive before what somebody else sent just before.

        Raises:
            NodeDown: the node died meanwhile.
        """
        place = len(self._messages) - 1 if overtakes and self._messages else len(self._messages)
        return await self._ask(self._messages, lambda: self._deliver(raw, copies), place, item_id(raw))

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """See ``Node.dryrun``."""
        return await self._ask(
            self._queries,
            lambda: self._house.node.dryrun(process, action=action, data=data, sender=sender, tags=tags),
            len(self._queries),
        )

    async def quiescent_sequence(self) -> int:
        """See ``Node.quiescent_sequence``: whoever hears an answer hears it when everything is settled."""
        return self._house.node.sequence

    async def sleep_until(self, now_ms: int) -> None:
        """Wait for a point in virtual time."""
        if now_ms > self.clock.now_ms:
            wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleeps += 1  # those who wait for the same point wake in the order in which they began to
            heapq.heappush(self._sleepers, (now_ms, self._sleeps, wake))
            self._waiting += 1
            await wake

    async def run(self, lives: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run everybody's life to its end.

        Raises:
            Exception: the first that one of them raised; the others are cancelled.
        """
        tasks = [asyncio.ensure_future(life) for life in lives]
        self._living = len(tasks)
        failed: list[BaseException] = []

        def end(task: "asyncio.Task[None]") -> None:
            self._living -= 1
            if not task.cancelled() and (error := task.exception()) is not None:
                failed.append(error)

        for task in tasks:
            task.add_done_callback(end)
        try:
            while self._living and not failed:
                await asyncio.sleep(0)
                if self._living and self._waiting == self._living:
                    await self._round()
            if failed:
                raise failed[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self) -> None:
        if not self._queries and not self._messages:
            self.clock.now_ms = max(self.clock.now_ms, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self.clock.now_ms:
                self._answer(heapq.heappop(self._sleepers)[2], None)
            return
        asked = self._queries + self._messages
        queries, self._queries, messages, self._messages = self._queries, [], self._messages, []
        # queries first: what they see must not depend on how far the messages have come
        answers: list[Result | BaseException] = []
        if self._crashes is not None:
            self._house.die_at(self._crashes.next(self._house.node.sequence, self.clock.now_ms))
        for questions in (queries, messages):
            for start in range(0, len(questions), ASKED_AT_ONCE_MAX):
                some = questions[start : start + ASKED_AT_ONCE_MAX]
                answers += await asyncio.gather(*(self._timed(question) for question in some), return_exceptions=True)
        with suppress(LogFailed):
            await self._house.node.drain()
        if self._crashes is not None and self._house.is_dead:
            self._crashes.died()
            await self._house.restart()
            answers = await self._heard(asked, answers)
        self.clock.now_ms += ROUND_TRIP_MS
        for question, answer in zip(asked, answers, strict=True):
            self._answer(question.answer, answer)

    async def _timed(self, question: Question) -> Result:
        begun = time.perf_counter()
        result = await question.ask()
        self.answered_us.record_value(int((time.perf_counter() - begun) * 1_000_000))
        return result

    async def _heard(
        self, asked: list[Question], answers: "list[Result | BaseException]"
    ) -> "list[Result | BaseException]":
        """What those hear whose node died: their answer, if their message is durable.

        Whether a node that is killed came to answer what it had just made durable is a matter of chance. Here it did.
        """
        lost = [place for place, answer in enumerate(answers) if isinstance(answer, LogFailed)]
        durable = self._house.durable([asked[place].message_id for place in lost])
        heard = list(answers)
        for place in lost:
            question = asked[place]
            heard[place] = await question.ask() if question.message_id in durable else NodeDown()
        return heard

    async def _deliver(self, raw: bytes, copies: int) -> Result:
        node = self._house.node
        first, *others = await asyncio.gather(*(node.send(raw) for _ in range(copies)))
        if any(other != first for other in others):
            raise AssertionError(f"two copies of one item were answered differently: {first} and {others}")
        return first

    def _answer(self, future: "asyncio.Future[Any]", answer: "Result | BaseException | None") -> None:
        self._waiting -= 1  # here and not where it wakes: from now on its life is running
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    async def _ask(
        self,
        questions: list[Question],
        ask: Callable[[], Coroutine[Any, Any, Result]],
        place: int,
        message_id: str = "",
    ) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        questions.insert(place, Question(ask, future, message_id))
        self._waiting += 1
        return await future
