"""Group commit: one batch is being made durable, the next one fills, and nobody is answered before his is."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter

from actors.node.log_writer import Appender
from actors.protocol.messages import Result
from actors.runtime.logs import get_logger
from eventstore import Assignment, EventStoreError

BATCH_ROWS_MAX = 8192

logger = get_logger()


class GroupCommit:
    """Feeds the appender with evaluated assignments and releases results when they are durable.

    Attributes:
        durable: sequence up to which the log is durable.
        failed: why nothing more becomes durable; None as long as it does.
        observers: called after each commit, with its number of events and its seconds.
    """

    def __init__(self, appender: Appender, position: int, advanced: Callable[[], None]) -> None:
        """Begin behind a position.

        Args:
            appender: makes batches durable.
            position: up to where the log is durable.
            advanced: called when more is, or when nothing more will be.
        """
        self.durable = position
        self.failed: EventStoreError | None = None
        self.observers: list[Callable[[int, float], None]] = []
        self._appender = appender
        self._advanced = advanced
        self._loop = asyncio.get_running_loop()
        self._batch: list[Assignment] = []
        self._writing: list[Assignment] = []
        self._in_flight = False
        self._flush_is_due = False
        self._waiters: deque[tuple[int, asyncio.Future[Result], Result]] = deque()
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def add(self, assignment: Assignment) -> None:
        """Put an evaluated assignment behind the ones before."""
        self._batch.append(assignment)
        if not self._flush_is_due and not self._in_flight:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def release(self, result: Result, waiter: asyncio.Future[Result]) -> None:
        """Give the waiter a result once its message is durable. ProcessClient come in the order of their sequences."""
        if self.failed is None:
            self._waiters.append((result.sequence, waiter, result))
        elif not waiter.done():
            waiter.set_exception(self.failed)

    async def wait(self, sequence: int) -> None:
        """Wait until ``sequence`` is durable.

        Raises:
            EventStoreError: it never will be; says why.
        """
        if self.failed is not None:
            raise self.failed
        if sequence > self.durable:
            watcher: asyncio.Future[None] = self._loop.create_future()
            self._watchers.append((sequence, watcher))
            await watcher

    def pending(self, process: str) -> dict[int, bytes]:
        """The data of a process's messages that are not durable yet, by slot."""
        return {
            assignment.slot: assignment.message.data
            for batch in (self._writing, self._batch)
            for assignment in batch
            if assignment.message.target == process
        }

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._in_flight or not self._batch or self.failed is not None:
            return
        batch, self._batch = self._batch[:BATCH_ROWS_MAX], self._batch[BATCH_ROWS_MAX:]
        self._in_flight, self._writing = True, batch
        self._appender.append(batch, expected=self.durable, done=partial(self._done, batch, perf_counter()))

    def _done(self, batch: list[Assignment], begun: float, error: EventStoreError | None) -> None:
        self._in_flight = False
        if error is not None:
            self.fail(error)
            return
        sequence = self.durable = batch[-1].sequence
        self._writing = []
        for observe in self.observers:
            observe(len(batch), perf_counter() - begun)
        while self._waiters and self._waiters[0][0] <= sequence:
            _, waiter, result = self._waiters.popleft()
            if not waiter.done():  # whoever waited may have gone away
                waiter.set_result(result)
        for due, watcher in self._watchers:
            if due <= sequence and not watcher.done():
                watcher.set_result(None)
        self._watchers = [entry for entry in self._watchers if not entry[1].done()]
        self._flush()
        self._advanced()

    def fail(self, error: EventStoreError) -> None:
        """Give up: what is not durable never will be, and whoever waits for it hears why."""
        if self.failed is not None:
            return
        self.failed = error
        logger.error("the log failed: nothing more is taken", durable=self.durable, error=str(error))
        waiting = [waiter for _, waiter, _ in self._waiters] + [watcher for _, watcher in self._watchers]
        self._waiters.clear()
        self._watchers.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        self._advanced()
