"""Stage 5, group commit: while one batch becomes durable, the next one fills. No result leaves before its batch."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter

from actors.node.limits import Limits
from actors.node.log_writer import LogWriter
from actors.protocol.messages import Result
from actors.runtime.logs import get_logger
from eventstore import Assignment, EventStoreError

logger = get_logger()


class GroupCommit:
    """Collects evaluated assignments into batches, and releases results when they are durable.

    Args:
        log_writer: the next stage.
        position: sequence up to which the log is durable.
        limits: of the node.

    Attributes:
        durable: sequence up to which the log is durable.
        failure: why nothing more becomes durable; None as long as it does.
        failed: set when there is a failure.
        on_progress: called after each batch, and once on failure.
        observers: called after each batch with its number of events and the seconds that it took.
    """

    def __init__(self, log_writer: LogWriter, position: int, limits: Limits) -> None:
        self.durable = position
        self.failure: EventStoreError | None = None
        self.failed = asyncio.Event()
        self.on_progress: Callable[[], None] = _ignore
        self.observers: list[Callable[[int, float], None]] = []
        self._log_writer = log_writer
        self._batch_rows_max = limits.batch_rows_max
        self._loop = asyncio.get_running_loop()
        self._batch: list[Assignment] = []
        self._writing: list[Assignment] = []
        self._is_writing = False
        self._write_is_scheduled = False
        self._results: deque[tuple[int, asyncio.Future[Result], Result]] = deque()
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def add(self, assignment: Assignment) -> None:
        """Add an evaluated assignment to the current batch."""
        self._batch.append(assignment)
        if not self._write_is_scheduled and not self._is_writing:
            self._write_is_scheduled = True
            self._loop.call_soon(self._write)

    def release_when_durable(self, result: Result, future: "asyncio.Future[Result]") -> None:
        """Resolve a future once its result's message is durable. Call in the order of the sequences."""
        if self.failure is None:
            self._results.append((result.sequence, future, result))
        elif not future.done():
            future.set_exception(self.failure)

    async def wait(self, sequence: int) -> None:
        """Wait until ``sequence`` is durable.

        Raises:
            EventStoreError: it never will be.
        """
        if self.failure is not None:
            raise self.failure
        if sequence > self.durable:
            watcher: asyncio.Future[None] = self._loop.create_future()
            self._watchers.append((sequence, watcher))
            await watcher

    def undurable_payloads(self, process: str) -> dict[int, bytes]:
        """The data of a process's messages that are not durable yet, by slot."""
        return {
            assignment.slot: assignment.message.data
            for batch in (self._writing, self._batch)
            for assignment in batch
            if assignment.message.target == process
        }

    def fail(self, error: EventStoreError) -> None:
        """Fail all pending waiters with the write error. Nothing more becomes durable."""
        if self.failure is not None:
            return
        self.failure = error
        self.failed.set()
        logger.error("the log failed: nothing more is taken", durable=self.durable, error=str(error))
        futures = [future for _, future, _ in self._results] + [watcher for _, watcher in self._watchers]
        self._results.clear()
        self._watchers.clear()
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self.on_progress()

    def _write(self) -> None:
        self._write_is_scheduled = False
        if self._is_writing or not self._batch or self.failure is not None:
            return
        batch, self._batch = self._batch[: self._batch_rows_max], self._batch[self._batch_rows_max :]
        self._is_writing, self._writing = True, batch
        self._log_writer.write(batch, on_written=partial(self._written, batch, perf_counter()))

    def _written(self, batch: list[Assignment], begun: float, error: EventStoreError | None) -> None:
        self._is_writing = False
        if error is not None:
            self.fail(error)
            return
        sequence = self.durable = batch[-1].sequence
        self._writing = []
        results = self._results
        while results and results[0][0] <= sequence:
            _, future, result = results.popleft()
            if not future.done():  # a sender that went away cancels its future
                future.set_result(result)
        for due, watcher in self._watchers:
            if due <= sequence and not watcher.done():
                watcher.set_result(None)
        self._watchers = [entry for entry in self._watchers if not entry[1].done()]
        self._write()
        self.on_progress()
        for observe in self.observers:  # last: an observer that raises delays no result
            observe(len(batch), perf_counter() - begun)


def _ignore() -> None:
    """The default of a callback that nothing has set yet."""
