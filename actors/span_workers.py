"""Spans of a log, checked by processes of their own while this one evaluates.

Hashing, verifying signatures and evaluating each keep an interpreter busy, and only evaluating has to follow the log
from its beginning to its end. A short log is checked here: it is over before a child has started.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from actors.envelopes import envelope_fault
from eventstore import EventStoreError, SqliteLog
from eventstore.spans import SpanCheck, Verdict, spans

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Verdict).decode


class Job(msgspec.Struct, frozen=True):
    """What is to be checked, and how."""

    path: str
    events: int
    """Check the rows up to this sequence."""
    signatures: bool
    """Hold messages from outside against their signed items too."""
    all_faults: bool
    """Go on after a span's first fault."""
    workers: int
    """Children that share the spans; with none they are checked here."""

    def check(self, worker: int, report: Callable[[Verdict], Any]) -> None:
        """Check every span of one worker."""
        log = SqliteLog.open_to_read(self.path)
        try:
            further = envelope_fault if self.signatures else None
            span_check = SpanCheck(log, further=further, all_faults=self.all_faults)
            for start, stop in spans(self.events, worker, max(self.workers, 1)):
                verdict = span_check.check(start, stop)
                report(verdict)
                if verdict.faults and not self.all_faults:
                    return
        finally:
            log.close()


class SpanWorkers:
    """Checks a log's spans from entering the block on.

    Attributes:
        checked: number of rows that are.
    """

    def __init__(self, job: Job) -> None:
        self.checked = 0
        self._job = job
        self._verdicts: list[Verdict] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        for worker in range(self._job.workers):
            command = [
                sys.executable,
                "-c",
                f"import {__name__} as it; it.work()",
                _encode(self._job).decode(),
                str(worker),
            ]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
            assert child.stdout is not None
            reader = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
            self._children.append(child)
            self._readers.append(reader)
            reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for child in self._children:
            if child.poll() is None:
                child.kill()
            with child:  # closes its pipe and waits for its end
                pass
        for reader in self._readers:
            reader.join()

    def wait(self, progress: Callable[[], Any] | None = None) -> list[Verdict]:
        """Wait for the end of every check.

        Args:
            progress: called now and then.

        Returns:
            What each came to, in the order of the log.
        """
        if not self._job.workers:
            self._job.check(0, self._keep)
        for child, reader in zip(self._children, self._readers, strict=True):
            while reader.is_alive():
                reader.join(timeout=0.1)
                if progress is not None:
                    progress()
            if child.wait():
                raise EventStoreError("the log could not be checked: a process that checks it failed")
        return sorted(self._verdicts, key=lambda verdict: verdict.start)

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._keep(_decode(line))

    def _keep(self, verdict: Verdict) -> None:
        self._verdicts.append(verdict)
        self.checked += verdict.stop - verdict.start


def cores() -> int:
    """Cores of this machine."""
    return os.cpu_count() or 1


def work() -> None:
    """What a child does: the spans of one worker of the job that its arguments name."""
    job, worker = sys.argv[1:]

    def report(verdict: Verdict) -> None:
        sys.stdout.buffer.write(_encode(verdict) + b"\n")
        sys.stdout.buffer.flush()

    msgspec.json.decode(job, type=Job).check(int(worker), report)
