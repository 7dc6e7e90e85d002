"""Replaying one partition of a log, in any process."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from actors.audit.snapshot_check import SnapshotCheck
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable, RestoredState, UnknownModule
from actors.evaluation.state_root import leaf_of
from eventstore import Assignment, EventStoreError, Evidence, LogFault, LogFile, Unevaluable, read_log
from eventstore.merkle.rfc9162 import leaf_hashes, root_of
from eventstore.merkle.tiles import FAN
from eventstore.replay.partitioned import Partition, PartitionReplay, PartitionScan, PartitionSummary

_PREFIX = 11
"""Characters of an id (66 bits) that no two ids of a log share by chance. If two do, a sequential replay decides."""


class PartitionJob(msgspec.Struct, frozen=True):
    """What to replay, and how."""

    location: str
    events: int
    """Replay the rows up to this sequence."""
    partitions: list[Partition]
    in_flight_from: int
    key: bytes
    """See ``PartitionReplay``."""
    audited: bool
    """Check the Merkle tree and the snapshots, too."""
    signatures: bool
    """Check external messages against their signed items."""
    statement_s: float | None = None
    """See ``LogFile.limit_statements``; None for no limit."""


class PartitionResult(msgspec.Struct):
    """What the replay of one partition found."""

    summary: PartitionSummary = msgspec.field(default_factory=PartitionSummary)
    outside: list[str] = msgspec.field(default_factory=list)
    """The beginning of the id of each external message; for an audit only."""
    signatures: int = 0
    inside: int = 0
    spawns: int = 0
    refusals: int = 0
    snapshots: int = 0
    states: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    """Each process of the partition with the leaf of its state."""
    nodes: list[bytes] = msgspec.field(default_factory=list)
    """Hashes of the Merkle tree over each 256 rows of this partition's part of the log."""
    doubt: str = ""
    """Why the log may be invalid, for developers. The sequential replay reports the place and a readable reason."""


def replay_partition(
    job: PartitionJob, number: int, progress: Callable[[int], Any], *, exclusive: bool = False
) -> PartitionResult:
    """Replay one partition.

    Args:
        job: what to replay.
        number: which of its partitions.
        progress: called now and then with the number of rows that were replayed.
        exclusive: this process opens the log no second time.
    """
    result = PartitionResult()
    log = read_log(job.location, exclusive=exclusive)
    try:
        if job.statement_s is not None:
            log.limit_statements(job.statement_s)
        _replay(log, job, number, result, progress)
    except (EventStoreError, Unevaluable, UnknownModule, TypeError, ValueError, AttributeError, LookupError) as error:
        result.doubt = f"{type(error).__name__}: {error}"
    finally:
        log.close()
    return result


def _replay(
    log: LogFile, job: PartitionJob, number: int, result: PartitionResult, progress: Callable[[int], Any]
) -> None:
    partition = job.partitions[number]
    processes = ProcessTable(log.payloads, _OtherPartitions(log))
    snapshots = SnapshotCheck(log, among=partition.contains, until=job.events) if job.audited else None
    rows = 0

    def evaluate(assignment: Assignment) -> Evaluated:
        evaluated = processes.evaluate(assignment)
        if snapshots is not None and (faults := snapshots.check_after(assignment, processes)):
            raise faults[0]
        return evaluated

    def watch(assignments: list[Assignment]) -> None:
        nonlocal rows
        rows += len(assignments)
        outside = [assignment for assignment in assignments if assignment.message.parent is None]
        if job.audited:
            result.outside.extend(assignment.message.id[:_PREFIX] for assignment in outside)
        if job.signatures:
            _check_signatures(outside)
            result.signatures += len(outside)
        result.inside += len(assignments) - len(outside)
        result.spawns += sum(assignment.slot == 0 for assignment in assignments)
        result.refusals += sum(assignment.error is not None for assignment in assignments)
        progress(rows)

    replay = PartitionReplay(
        log,
        partition,
        evaluate if snapshots is not None and snapshots.due else processes.evaluate,
        key=job.key,
        in_flight_from=job.in_flight_from,
        check_index=job.audited,
    )
    replay.follow(job.events, watch)
    result.summary = replay.summary()
    if snapshots is not None:
        if faults := snapshots.finish():
            raise faults[0]
        result.snapshots = snapshots.checked
        result.nodes = list(_nodes(log, job.events, number, len(job.partitions)))
    result.states = [
        (process, leaf_of(process, entry.module, entry.owner, entry.process.state if entry.process else None))
        for process, entry in processes.entries.items()
    ]


def _check_signatures(assignments: list[Assignment]) -> None:
    from actors.evidence.signed_items import envelope_fault  # imported here: loading the signature libraries is slow

    for assignment in assignments:
        fault = envelope_fault(assignment)
        if fault is not None:
            raise fault


def _nodes(log: Evidence, events: int, part: int, parts: int) -> Iterator[bytes]:
    """The hashes over each 256 rows of one part of the log."""
    blocks = events // FAN
    for block in range(blocks * part // parts, blocks * (part + 1) // parts):
        leaves = log.leaves(block * FAN, (block + 1) * FAN)
        if len(leaves) != FAN:  # a false last sequence would make this loop endless
            raise LogFault.of_file("rows of a block", FAN, len(leaves), sequence=block * FAN)
        yield root_of(leaf_hashes(leaves))


class _OtherPartitions:
    """Processes of other partitions. This one only knows from which sequence on each of them exists."""

    def __init__(self, log: PartitionScan) -> None:
        self._log = log
        self._exists_from: dict[str, int] = {}

    def exists(self, process: str, *, before: int) -> bool:
        """Whether the process was started, or its start was in flight, before a sequence."""
        exists_from = self._exists_from.get(process)
        if exists_from is None:
            exists_from = self._log.exists_from(process)
            if exists_from is None:
                return False  # not started yet, or never
            self._exists_from[process] = exists_from
        return exists_from < before

    def snapshot(self, process: str, *, before: int) -> RestoredState | None:
        """None: a partition replays its own processes from slot 0."""
        return None

    def rows(self, process: str, *, from_slot: int, before: int) -> Iterator[Assignment]:
        """No rows: a partition replays its own processes from slot 0."""
        return iter(())

    def processes(self) -> Iterator[str]:
        """No processes: all processes of a partition are in memory."""
        return iter(())
