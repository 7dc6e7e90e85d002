"""A log followed by one process per core, each its share, and what they found put together."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from actors.audit.partition_workers import PartitionWorkers
from actors.audit.snapshot_check import SnapshotCheck
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable, RestoredState, UnknownModule
from actors.evaluation.state_root import leaf_of, root_over
from eventstore import Assignment, EventStoreError, LogFile, Unevaluable, read_log
from eventstore.merkle.rfc9162 import fold, leaf_hashes
from eventstore.merkle.tiles import FAN
from eventstore.replay.partitioned import InFlightMessage, Partition, PartitionReplay, Tally, unsent

KEY_BYTES = 32
_START = 11
"""Characters of an id, 66 bits, that by chance no two of a log share; where two do, a replay in order looks closer."""
_SAMPLE = 2000
"""Rows by whose processes a log is cut into shares."""


class Job(msgspec.Struct, frozen=True):
    """What is to be followed, and how."""

    path: str
    events: int
    """Follow the rows up to this sequence."""
    shares: list[Partition]
    late_from: int
    key: bytes
    """See ``PartitionReplay``."""
    audited: bool
    """Check the tree and the snapshots too."""
    signatures: bool
    """Hold messages from outside against their signed items."""


class PartitionResult(msgspec.Struct):
    """What following one share came to."""

    tally: Tally = msgspec.field(default_factory=Tally)
    outside: list[str] = msgspec.field(default_factory=list)
    """How the id of each message from outside begins, of an audit."""
    signatures: int = 0
    inside: int = 0
    spawns: int = 0
    refusals: int = 0
    snapshots: int = 0
    states: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    """Each of its processes with the leaf of its state."""
    nodes: list[bytes] = msgspec.field(default_factory=list)
    """Hashes of the Merkle tree over each 256 rows of its part of the log."""
    doubt: str = ""
    """Why the log is not sound, in words that are not for people: a replay in order has better ones."""


class PartitionedReplay(msgspec.Struct, frozen=True):
    """What every share together came to: the log is sound."""

    unsent: list[InFlightMessage]
    state_root: str
    processes: int
    signatures: int
    inside: int
    spawns: int
    refusals: int
    snapshots: int
    nodes: list[bytes]


def replay_partitions(
    log: LogFile,
    events: int,
    *,
    shares: int,
    audited: bool = False,
    signatures: bool = False,
    progress: Callable[[int], Any] | None = None,
) -> PartitionedReplay | None:
    """Follow a log with several processes.

    Args:
        log: the log.
        events: how many of its events.
        shares: how many processes.
        audited: check the Merkle tree's hashes and the snapshots too.
        signatures: hold messages from outside against their signed items.
        progress: called now and then with the number of events that were followed.

    Returns:
        What it came to; None if it is not sound. Then a replay in order says where and why.

    Raises:
        EventStoreError: one of the processes failed.
    """
    end = log.end(events)
    cut = Partition.cut(log.sample(_SAMPLE, until=events), shares)
    job = Job(str(log.path), events, cut, end.inside_parent, os.urandom(KEY_BYTES), audited, signatures)
    with PartitionWorkers(job, PartitionResult) as workers:
        outcomes = workers.wait(progress)
    if any(outcome.doubt for outcome in outcomes) or _repeated(outcomes):
        return None
    left = unsent((outcome.tally for outcome in outcomes), events=events, end=end)
    if left is None:
        return None
    states = [state for outcome in outcomes for state in outcome.states]
    return PartitionedReplay(
        left,
        root_over(states).hex(),
        len(states),
        sum(outcome.signatures for outcome in outcomes),
        sum(outcome.inside for outcome in outcomes),
        sum(outcome.spawns for outcome in outcomes),
        sum(outcome.refusals for outcome in outcomes),
        sum(outcome.snapshots for outcome in outcomes),
        [node for outcome in outcomes for node in outcome.nodes],
    )


def _repeated(outcomes: list[PartitionResult]) -> bool:
    """Whether a message from outside may stand twice in the log."""
    starts = [start for outcome in outcomes for start in outcome.outside]
    return len(set(starts)) < len(starts)


def replay_partition(
    job: Job, number: int, progress: Callable[[int], Any], *, exclusive: bool = False
) -> PartitionResult:
    """Follow one share of a log, in whatever process; ``alone`` if nobody else in it opens the file."""
    outcome = PartitionResult()
    log = read_log(job.path, exclusive=exclusive)
    try:
        _follow(log, job, number, outcome, progress)
    except (EventStoreError, Unevaluable, UnknownModule, TypeError, ValueError, AttributeError, LookupError) as error:
        outcome.doubt = f"{type(error).__name__}: {error}"
    finally:
        log.close()
    return outcome


def _follow(log: LogFile, job: Job, number: int, outcome: PartitionResult, progress: Callable[[int], Any]) -> None:
    share = job.shares[number]
    world = ProcessTable(log.payloads, _Elsewhere(log))
    snapshots = SnapshotCheck(log, among=share.holds, until=job.events) if job.audited else None
    rows = 0

    def evaluate(assignment: Assignment) -> Evaluated:
        evaluated = world.evaluate(assignment)
        if snapshots is not None and (faults := snapshots.pass_by(assignment, world)):
            raise faults[0]
        return evaluated

    def watch(assignments: list[Assignment]) -> None:
        nonlocal rows
        rows += len(assignments)
        outside = [assignment for assignment in assignments if assignment.message.parent is None]
        if job.audited:
            outcome.outside.extend(assignment.message.id[:_START] for assignment in outside)
        if job.signatures:
            from actors.evidence.signed_items import (
                envelope_fault,  # a replay starts sooner without keys of three kinds
            )

            for assignment in outside:
                fault = envelope_fault(assignment)
                if fault is not None:
                    raise fault
            outcome.signatures += len(outside)
        outcome.inside += len(assignments) - len(outside)
        outcome.spawns += len([None for assignment in assignments if assignment.slot == 0])
        outcome.refusals += len([None for assignment in assignments if assignment.error is not None])
        progress(rows)

    replay = PartitionReplay(
        log,
        share,
        evaluate if snapshots is not None and snapshots.due else world.evaluate,
        key=job.key,
        late_from=job.late_from,
        check_index=job.audited,
    )
    replay.follow(job.events, watch)
    outcome.tally = replay.tally()
    if snapshots is not None:
        if left := snapshots.finish():
            raise left[0]
        outcome.snapshots = snapshots.checked
        outcome.nodes = list(_nodes(log, job.events, number, len(job.shares)))
    outcome.states = [
        (process, leaf_of(process, entry.module, entry.owner, entry.process.state if entry.process else None))
        for process, entry in world.entries.items()
    ]


def _nodes(log: LogFile, events: int, part: int, of: int) -> Iterator[bytes]:
    """The hashes over each 256 rows of one part of the log."""
    blocks = events // FAN
    for block in range(blocks * part // of, blocks * (part + 1) // of):
        yield fold(leaf_hashes(log.leaves(block * FAN, (block + 1) * FAN)))


class _Elsewhere:
    """Processes of which a share knows no more than that they are there, and from when on."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._exists_from: dict[str, int] = {}

    def exists(self, process: str, *, before: int) -> bool:
        """Whether it was started, or its start was on its way, before a sequence."""
        exists_from = self._exists_from.get(process)
        if exists_from is None:
            exists_from = self._log.exists_from(process)
            if exists_from is None:
                return False  # not yet, and perhaps never
            self._exists_from[process] = exists_from
        return exists_from < before

    def snapshot(self, process: str, *, before: int) -> RestoredState | None:
        """None: a share follows its processes from their beginning."""
        return None

    def rows(self, process: str, *, from_slot: int, before: int) -> Iterator[Assignment]:
        """None, likewise."""
        return iter(())

    def processes(self) -> Iterator[str]:
        """None, likewise."""
        return iter(())
