"""Child processes that each follow one share of a log: evaluating, hashing and verifying keep an interpreter busy."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

import msgspec

from actors.runtime.child_process import command_of
from eventstore import EventStoreError

if TYPE_CHECKING:
    from actors.audit.parallel_replay import Job, PartitionResult

_ROWS_SAID = 2048
"""How many rows are followed in some twentieths of a second."""
_encode = msgspec.json.Encoder().encode


class _Child(Protocol):
    """What is needed of a ``subprocess.Popen``."""

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...


class PartitionWorkers:
    """Follows a log's shares from entering the block on."""

    def __init__(self, job: "Job", outcome: "type[PartitionResult]") -> None:
        self._job = job
        self._decode = msgspec.json.Decoder(int | outcome).decode
        self._rows = [0] * len(job.shares)
        self._outcomes: list[PartitionResult | None] = [None] * len(job.shares)
        self._children: list[tuple[_Child, IO[bytes]]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        start = _fork if _may_fork() else _start
        for number in range(len(self._job.shares)):
            self._children.append(start(self._job, number))
        for number, (_, stream) in enumerate(self._children):  # threads, after the last fork
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

    def wait(self, progress: Callable[[int], Any] | None = None) -> "list[PartitionResult]":
        """Wait for the end of every share, or the first doubt.

        Args:
            progress: called now and then with the number of events that were followed.

        Returns:
            What those that ended came to.

        Raises:
            EventStoreError: a child failed.
        """
        for (child, _), reader in zip(self._children, self._readers, strict=True):
            while reader.is_alive():
                reader.join(timeout=0.05)
                if progress is not None:
                    progress(sum(self._rows))
                if any(outcome is not None and outcome.doubt for outcome in self._outcomes):
                    return self._ended()
            if child.wait():
                raise EventStoreError("the log could not be followed: a process that follows it failed")
        if progress is not None:
            progress(sum(self._rows))
        return self._ended()

    def _ended(self) -> "list[PartitionResult]":
        return [outcome for outcome in self._outcomes if outcome is not None]

    def _read(self, number: int, stream: IO[bytes]) -> None:
        for line in stream:
            said = self._decode(line)
            if isinstance(said, int):
                self._rows[number] = said
            else:
                self._outcomes[number] = said
                self._rows[number] = said.tally.rows


class _Forked(multiprocessing.context.ForkProcess):
    """A copy of this process, which knows all that this one imported: starting afresh takes a tenth of a second."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.exitcode

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        self.join()
        return self.exitcode or 0


def _may_fork() -> bool:
    """Whether a copy can be relied on: of a process with other threads it would have the locks that they held, and
    nobody to let go of them. Only Linux's libraries all bear to be copied.
    """
    return sys.platform == "linux" and threading.active_count() == 1


def _fork(job: "Job", number: int) -> tuple[_Child, IO[bytes]]:
    reading, writing = os.pipe()
    child = _Forked(target=_follow, args=(job, number, writing), daemon=True)
    child.start()
    os.close(writing)
    return child, os.fdopen(reading, "rb")


def _start(job: "Job", number: int) -> tuple[_Child, IO[bytes]]:
    command, environment = command_of(__name__, str(number))
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(_encode(job))
    child.stdin.close()
    return child, child.stdout


def work() -> None:
    """What a child does that starts afresh: its argument is the share's number, the job is on its standard input."""
    from actors.audit.parallel_replay import Job

    _follow(msgspec.json.decode(sys.stdin.buffer.read(), type=Job), int(sys.argv[1]), sys.stdout.fileno())


def _follow(job: "Job", number: int, descriptor: int) -> None:
    """Follow a share, and say there how far it is, then what it came to."""
    from actors.audit.parallel_replay import replay_partition
    from actors.runtime.tuning import dedicate_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    dedicate_process()
    with os.fdopen(descriptor, "wb") as stream:

        def say(what: "int | PartitionResult") -> None:
            stream.write(_encode(what) + b"\n")
            stream.flush()

        said = 0

        def progress(rows: int) -> None:
            nonlocal said
            if rows - said >= _ROWS_SAID:  # whoever listens takes a core from those who follow
                said = rows
                say(rows)

        say(replay_partition(job, number, progress, exclusive=True))
