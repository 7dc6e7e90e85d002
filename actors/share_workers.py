"""Child processes that each follow one share of a log: evaluating, hashing and verifying keep an interpreter busy."""

import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

from actors.children import command_of
from eventstore import EventStoreError

if TYPE_CHECKING:
    from actors.shares import Job, Outcome

_encode = msgspec.json.Encoder().encode


class ShareWorkers:
    """Follows a log's shares from entering the block on."""

    def __init__(self, job: "Job", outcome: "type[Outcome]") -> None:
        self._job = job
        self._decode = msgspec.json.Decoder(int | outcome).decode
        self._rows = [0] * job.shares
        self._outcomes: list[Outcome | None] = [None] * job.shares
        self._children: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for number in range(self._job.shares):
            command, environment = command_of(__name__, str(number))
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
            assert child.stdin is not None
            assert child.stdout is not None
            self._children.append(child)
            child.stdin.write(_encode(self._job))
            child.stdin.close()
            reader = threading.Thread(target=self._read, args=(number, child.stdout), daemon=True)
            self._readers.append(reader)
            reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for reader, child in zip(self._readers, self._children, strict=True):
            reader.join()
            assert child.stdout is not None
            child.stdout.close()

    def wait(self, progress: Callable[[int], Any] | None = None) -> "list[Outcome]":
        """Wait for the end of every share, or the first doubt.

        Args:
            progress: called now and then with the number of events that were followed.

        Returns:
            What those that ended came to.

        Raises:
            EventStoreError: a child failed.
        """
        for child, reader in zip(self._children, self._readers, strict=True):
            while reader.is_alive():
                reader.join(timeout=0.05)
                if progress is not None:
                    progress(sum(self._rows))
                if any(outcome is not None and outcome.doubt for outcome in self._outcomes):
                    return self._ended()
            if child.wait():
                raise EventStoreError("the log could not be followed: a process that follows it failed")
        return self._ended()

    def _ended(self) -> "list[Outcome]":
        return [outcome for outcome in self._outcomes if outcome is not None]

    def _read(self, number: int, stream: IO[bytes]) -> None:
        for line in stream:
            said = self._decode(line)
            if isinstance(said, int):
                self._rows[number] = said
            else:
                self._outcomes[number] = said


def work() -> None:
    """What a child does: the share whose number its argument is, of the job on its standard input."""
    from actors.interpreter import dedicate_process
    from actors.shares import Job, follow_share

    def say(what: "int | Outcome") -> None:
        sys.stdout.buffer.write(_encode(what) + b"\n")
        sys.stdout.buffer.flush()

    dedicate_process()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    say(follow_share(job, int(sys.argv[1]), say, alone=True))
