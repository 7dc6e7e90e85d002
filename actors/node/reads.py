"""Reads of the log for requests: a few threads of their own, with a time limit, and slow while messages wait.

A thread that evaluates Python code takes the interpreter lock from the event loop, half of the time and more. So a long
read rests between short slices of work while the node has messages to handle.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from actors.node.backlog import Overloaded
from actors.node.limits import Limits
from eventstore import LogFile, ReadPool

THREADS = 2
"""Threads of a lane. One slow read does not delay the others; more would compete with the event loop."""
SLICE_S = 0.001
"""Time that a read works before it rests, if messages wait."""
T = TypeVar("T")


class ReadTimeout(Exception):
    """A read took too long, including its wait for a thread. The node ended it."""


class _Cancelled(Exception):
    """Nothing waits for the read any more."""


class Read:
    """The progress of one read. The reading thread calls ``check`` at each row.

    Attributes:
        rows: number of checks so far. It measures what the read costs, also if it fails or is cancelled.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._deadline = self._slice_end = float("inf")
        self._end_error: Exception | None = None
        self._rest: Callable[[float], float] = lambda _worked_s: 0
        self._cpu_s = 0.0

    def check(self) -> None:
        """Count a row, and rest if the node is busy.

        Raises:
            ReadTimeout: the time is over.
            NodeClosed: the node stopped its reads.
        """
        self.rows += 1
        if self._end_error is not None:
            raise self._end_error
        now = time.perf_counter()
        if now < self._slice_end:
            return
        if now > self._deadline:
            raise ReadTimeout
        cpu_s = time.thread_time()
        time.sleep(self._rest(cpu_s - self._cpu_s))
        self._cpu_s = time.thread_time()
        self._slice_end = time.perf_counter() + SLICE_S

    def start(self, deadline: float, rest: Callable[[float], float]) -> None:
        """Start to work in this thread.

        Args:
            deadline: when the read must end, on ``time.perf_counter``.
            rest: seconds to rest after so many seconds of work.
        """
        self._deadline, self._rest = deadline, rest
        self._cpu_s, self._slice_end = time.thread_time(), time.perf_counter() + SLICE_S

    def end(self, error: Exception) -> None:
        """Make the next check raise an error; callable from any thread."""
        self._end_error = error


class ReadLane:
    """Threads for one kind of read, and a bounded queue in front of them.

    Args:
        name: of the threads.
        readers: connections to the log.
        limits: of the node.
        is_busy: whether messages wait. Called from the reading threads.
    """

    def __init__(self, name: str, readers: ReadPool, limits: Limits, *, is_busy: Callable[[], bool]) -> None:
        self._readers, self._limits, self._is_busy = readers, limits, is_busy
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        self._reads: set[Read] = set()
        """Reads that something waits for."""
        self._working = 0
        self._stop_error: Exception | None = None

    async def run(self, function: Callable[[LogFile], T], read: Read | None = None) -> T:
        """Apply a function to the durable log, in a thread. If the caller is cancelled, the read ends.

        Raises:
            Overloaded: too many reads wait.
            ReadTimeout: the read took longer than ``Limits.read_s``.
            NodeClosed: the node stopped its reads.
        """
        read = read or Read()
        if self._stop_error is not None:
            raise self._stop_error
        if len(self._reads) >= self._limits.reads_max:
            raise Overloaded(f"overloaded: {self._limits.reads_max:,} reads wait (Limits.reads_max); try again")
        self._reads.add(read)
        deadline = time.perf_counter() + self._limits.read_s
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, function, read, deadline)
        except asyncio.CancelledError:
            read.end(_Cancelled())
            raise
        finally:
            self._reads.discard(read)

    def stop(self, error: Exception) -> None:
        """End the reads that run and wait, and refuse new ones, with an error."""
        self._stop_error = error
        for read in self._reads:
            read.end(error)

    def close(self) -> None:
        """Wait until the threads have ended."""
        self._pool.shutdown()

    def _work(self, function: Callable[[LogFile], T], read: Read, deadline: float) -> T:
        self._working += 1
        try:
            read.start(deadline, self._rest_s)
            try:
                read.check()
                return self._readers.read(function, read.check)
            except Exception:
                read.check()  # a statement that a check interrupted raises SQLite's error
                raise
        except ReadTimeout:
            raise ReadTimeout(
                f"the read took longer than {self._limits.read_s:g} s (Limits.read_s); read less at once"
            ) from None
        finally:
            self._working -= 1

    def _rest_s(self, worked_s: float) -> float:
        return self._limits.read_rest_factor * self._working * worked_s if self._is_busy() else 0
