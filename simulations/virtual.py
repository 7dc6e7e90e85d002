"""Virtual time: people act concurrently, the clock jumps, and what comes out depends on nothing but the plan.

Everybody's code is plain ``async`` code that waits only here: for a message's result, for a query's, for a time to
come. When all of them wait, what they asked for is sent to the node in the order in which it was asked; when the node
has settled, the answers are given out in that order; when nobody asked anything, the clock jumps to the next point
that somebody waits for. So the log's order comes from the plan alone, however fast the machine and its disk are.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from actors.messages import Result
from actors.node import Node

ROUND_TRIP_MS = 20
"""Virtual time from asking to being answered."""
ASKED_AT_ONCE_MAX = 4096
"""Messages in flight: fewer than a node refuses as too many."""

Question = tuple[Callable[[], Coroutine[Any, Any, Result]], "asyncio.Future[Result]"]


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
    """Runs people on a node in virtual time. Is the door that they send through."""

    def __init__(self, node: Node, clock: VirtualClock) -> None:
        self.registry = node.registry
        self.clock = clock
        self._node = node
        self._queries: list[Question] = []
        self._messages: list[Question] = []
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sleeps = 0
        self._waiting = 0
        self._living = 0

    async def send(self, raw: bytes) -> Result:
        """See ``Node.send``."""
        return await self._ask(self._messages, lambda: self._node.send(raw))

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """See ``Node.dryrun``."""
        return await self._ask(
            self._queries, lambda: self._node.dryrun(process, action=action, data=data, sender=sender, tags=tags)
        )

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
        for questions in (queries, messages):
            for start in range(0, len(questions), ASKED_AT_ONCE_MAX):
                some = questions[start : start + ASKED_AT_ONCE_MAX]
                answers += await asyncio.gather(*(ask() for ask, _ in some), return_exceptions=True)
        await self._node.settle()
        self.clock.now_ms += ROUND_TRIP_MS
        for (_, future), answer in zip(asked, answers, strict=True):
            self._answer(future, answer)

    def _answer(self, future: "asyncio.Future[Any]", answer: "Result | BaseException | None") -> None:
        self._waiting -= 1  # here and not where it wakes: from now on its life is running
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    async def _ask(self, questions: "list[Question]", ask: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        questions.append((ask, future))
        self._waiting += 1
        return await future
