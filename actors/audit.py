"""Audit: replay, and every check that can be made beside it, by somebody who trusts neither the node nor the file."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from actors.dataitem import DataItem, ItemRefused, message_of, parse, verify_all
from actors.processes import Registry
from actors.replay import counted
from actors.world import World
from eventstore import Assignment, LogFault, Replay, SqliteLog

_BATCH = 512
"""Signatures verified by one task."""
_BATCHES_AHEAD_MAX = 64
"""Bounds what is kept in memory where verifying is slower than replaying."""
_ANY_LENGTH = 2**40


class Audit(msgspec.Struct):
    """What was checked, and what was found.

    ``faults`` come in the order of the log. ``unsent`` is the tail that a crash cut off: messages that had to be sent
    and are not in the log; the node sends them when it opens the log again.
    """

    events: int = 0
    signatures: int = 0
    """Messages from outside whose signature and sender's address are right."""
    inside: int = 0
    """Messages between processes that are, byte for byte, what the evaluation of their parents sent."""
    spawns: int = 0
    refusals: int = 0
    unsent: int = 0
    log_head: str = ""
    state_root: str = ""
    faults: list[LogFault] = msgspec.field(default_factory=list)


def audit(path: str | Path, *, all_faults: bool = False, progress: Callable[[int], Any] | None = None) -> Audit:
    """Check everything that a log says of itself.

    Both hash chains; sequences and slots; that time never goes back; every signature and its sender's address; that
    a row shows what its signed item says; that every message between processes is the next one that an evaluation sent;
    every answer and every refusal.

    Args:
        path: the log's file.
        all_faults: go on after the first fault.
        progress: called now and then with the number of events that were followed.

    Raises:
        EventStoreError: there is no log, or it cannot be read.
        UnknownModule: it needs a module that this version does not have.
    """
    log = SqliteLog.open_to_read(path)
    report = Audit()
    world = World()
    replayed = Replay(world.evaluate, on_fault=report.faults.append)
    with _Signatures(report.faults.append) as signatures:
        try:
            for assignment in counted(log.read(), progress):
                if assignment.message.envelope is not None:
                    signatures.check(assignment)
                replayed.follow((assignment,))
                _count(report, assignment)
                if report.faults and not all_faults:
                    break
        finally:
            log.close()
        signatures.finish()
    first = next(iter(world.entries.values()), None)
    if first is not None and first.module != Registry.module:
        report.faults.append(_fault_at_start(next(iter(world.entries)), first.module))
    report.signatures = signatures.genuine
    report.unsent = len(replayed.unsent)
    report.faults.sort(key=lambda fault: fault.sequence)
    if not all_faults:
        del report.faults[1:]
    report.log_head = replayed.sequencer.log_chain.hex()
    report.state_root = world.state_root().hex()
    return report


def _count(report: Audit, assignment: Assignment) -> None:
    report.events += 1
    report.inside += assignment.message.parent is not None
    report.spawns += assignment.slot == 0
    report.refusals += assignment.error is not None


class _Signatures:
    """Compares rows with their signed items, and verifies these in batches on all cores."""

    def __init__(self, on_fault: Callable[[LogFault], None]) -> None:
        self.genuine = 0
        self._on_fault = on_fault
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._seen: set[str] = set()
        self._batch: list[tuple[Assignment, DataItem]] = []
        self._verdicts: list[Future[list[LogFault]]] = []

    def __enter__(self) -> "_Signatures":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def check(self, assignment: Assignment) -> None:
        """Check a message that has an envelope."""
        message = assignment.message
        try:
            item = parse((message.envelope or b"") + message.data, data_bytes_max=_ANY_LENGTH)
        except ItemRefused as error:
            self._on_fault(LogFault.at(assignment, f"no signed item: {error}", "one", None))
            return
        differing = list(_differences(assignment, item))
        if item.id in self._seen:
            differing.append(LogFault.at(assignment, "a message that was assigned twice", "once", item.id))
        self._seen.add(item.id)
        for fault in differing:
            self._on_fault(fault)
        if not differing:
            self._batch.append((assignment, item))
        if len(self._batch) >= _BATCH:
            self._send()

    def finish(self) -> None:
        """Wait for every verdict."""
        self._send()
        while self._verdicts:
            self._take()

    def _send(self) -> None:
        self._verdicts.append(self._pool.submit(_verify, self._batch))
        self.genuine += len(self._batch)
        self._batch = []
        if len(self._verdicts) > _BATCHES_AHEAD_MAX:
            self._take()

    def _take(self) -> None:
        for fault in self._verdicts.pop(0).result():
            self.genuine -= 1
            self._on_fault(fault)


def _verify(batch: list[tuple[Assignment, DataItem]]) -> list[LogFault]:
    refusals = verify_all(item for _, item in batch)
    return [
        LogFault.at(assignment, "signature", f"that of {assignment.message.sender}", str(refusal))
        for (assignment, _), refusal in zip(batch, refusals, strict=True)
        if refusal is not None
    ]


def _differences(assignment: Assignment, item: DataItem) -> Iterator[LogFault]:
    """Columns that do not show what the signed item says."""
    signed, shown = message_of(item), assignment.message
    for column, due, found in (
        ("message_id", signed.id, shown.id),
        ("sender", signed.sender, shown.sender),
        ("process", signed.target, shown.target),
        ("action", signed.action, shown.action),
        ("tags", signed.tags, shown.tags),
        ("anchor", signed.anchor, shown.anchor),
        ("parent", signed.parent, shown.parent),
        ("slot of a process's first message", item.starts_process, assignment.slot == 0),
    ):
        if due != found:
            yield LogFault.at(assignment, f"{column} is not what was signed", due, found)


def _fault_at_start(process: str, module: str) -> LogFault:
    return LogFault("the first process", sequence=1, process=process, expected=Registry.module, found=module)
