"""One child process per partition: evaluating, hashing and verifying keep an interpreter busy.

With ``concurrent.futures.ProcessPoolExecutor`` in its place a replay and an audit run at 0.98 of the speed (medians of
15 and 13 undisturbed pairs). The pool needs the start method ``spawn`` where it cannot fork, and then runs the
caller's main script again in each child. A script without a main guard would open its node there a second time.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Protocol, Self

import msgspec

from actors.audit.partition_job import PartitionJob, PartitionResult, replay_partition
from actors.runtime.child_process import command_of
from eventstore import EventStoreError

RunPartitions = Callable[[PartitionJob, Callable[[int], Any]], list[PartitionResult]]
"""Replays every partition of a job; the second argument receives the number of replayed rows now and then."""

_REPORT_ROWS = 2_048
"""Rows between two reports of a child. Each report takes the parent a core that another child could use."""
_WAIT_S = 0.05
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(int | PartitionResult).decode


def run_in_processes(job: PartitionJob, progress: Callable[[int], Any]) -> list[PartitionResult]:
    """Replay every partition in a child process of its own, until all end or the first one has a doubt.

    Returns:
        The results of the partitions that ended.

    Raises:
        EventStoreError: a child process failed.
    """
    with _Workers(job) as workers:
        return workers.wait(progress)


class _Process(Protocol):
    """The part of ``subprocess.Popen`` that is used."""

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...


class _Workers:
    """The child processes of a job. They run from entering the block on."""

    def __init__(self, job: PartitionJob) -> None:
        self._job = job
        self._rows = [0] * len(job.partitions)
        self._results: list[PartitionResult | None] = [None] * len(job.partitions)
        self._children: list[tuple[_Process, IO[bytes]]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        start = _fork if _may_fork() else _start
        for number in range(len(self._job.partitions)):
            self._children.append(start(self._job, number))
        for number, (_, stream) in enumerate(self._children):  # start threads only after the last fork
            reader = threading.Thread(target=self._read, args=(number, stream), daemon=True)
            self._readers.append(reader)
            reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for child, _ in self._children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for reader, (_, stream) in zip(self._readers, self._children, strict=True):
            reader.join()
            stream.close()

    def wait(self, progress: Callable[[int], Any]) -> list[PartitionResult]:
        for (child, _), reader in zip(self._children, self._readers, strict=True):
            while reader.is_alive():
                reader.join(timeout=_WAIT_S)
                progress(sum(self._rows))
                if any(result is not None and result.doubt for result in self._results):
                    return self._finished()
            if child.wait():
                raise EventStoreError("the log could not be replayed: a child process failed")
        progress(sum(self._rows))
        return self._finished()

    def _finished(self) -> list[PartitionResult]:
        return [result for result in self._results if result is not None]

    def _read(self, number: int, stream: IO[bytes]) -> None:
        """Receive what a child reports: row counts, and at the end its result."""
        for line in stream:
            report = _decode(line)
            if isinstance(report, int):
                self._rows[number] = report
            else:
                self._results[number] = report
                self._rows[number] = report.summary.rows


class _Forked(multiprocessing.context.ForkProcess):
    """A fork of this process, with all that it has imported. A fresh interpreter takes a tenth of a second to start."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.exitcode

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        self.join()
        return self.exitcode or 0


def _may_fork() -> bool:
    """Whether a fork is safe: it inherits locks that other threads hold, and only Linux's libraries support it."""
    return sys.platform == "linux" and threading.active_count() == 1


def _fork(job: PartitionJob, number: int) -> tuple[_Process, IO[bytes]]:
    reading, writing = os.pipe()
    child = _Forked(target=_replay, args=(job, number, writing), daemon=True)
    child.start()
    os.close(writing)
    return child, os.fdopen(reading, "rb")


def _start(job: PartitionJob, number: int) -> tuple[_Process, IO[bytes]]:
    command, environment = command_of(__name__, str(number))
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(_encode(job))
    child.stdin.close()
    return child, child.stdout


def work() -> None:
    """Main function of a fresh child process: ``sys.argv[1]`` is the partition's number, standard input the job."""
    _replay(msgspec.json.decode(sys.stdin.buffer.read(), type=PartitionJob), int(sys.argv[1]), sys.stdout.fileno())


def _replay(job: PartitionJob, number: int, descriptor: int) -> None:
    """Replay a partition; write row counts and then the result to a descriptor, a line of JSON each."""
    from actors.runtime.tuning import dedicate_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children itself
    dedicate_process()
    with os.fdopen(descriptor, "wb") as stream:

        def report(what: int | PartitionResult) -> None:
            stream.write(_encode(what) + b"\n")
            stream.flush()

        reported = 0

        def progress(rows: int) -> None:
            nonlocal reported
            if rows - reported >= _REPORT_ROWS:
                reported = rows
                report(rows)

        report(replay_partition(job, number, progress, exclusive=True))
