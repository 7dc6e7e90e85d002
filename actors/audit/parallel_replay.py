"""Verifies a log in parallel, partitioned by process. Reports valid or invalid, not where."""

import os
from collections.abc import Callable
from typing import Any

import msgspec

from actors.audit.partition_job import PartitionJob, PartitionResult
from actors.audit.partition_workers import RunPartitions, run_in_processes
from actors.evaluation.state_root import root_over
from actors.runtime.child_process import cores
from eventstore import LogFile
from eventstore.replay.partitioned import InFlightMessage, Partition, in_flight_messages

KEY_BYTES = 32
_SAMPLE_ROWS = 2_000
"""Rows whose processes decide where a log is partitioned."""


class ParallelResult(msgspec.Struct, frozen=True):
    """The combined result of all partitions of a valid log."""

    pending_outbox: list[InFlightMessage]
    state_root: str
    processes: int
    signatures: int
    inside: int
    spawns: int
    refusals: int
    snapshots: int
    nodes: list[bytes]


def jobs_for(events: int, *, jobs: int | None, events_min: int) -> int:
    """How many processes replay a log: as many as asked for, or one per core if the log is long enough."""
    if jobs is not None:
        return jobs
    return cores() if events >= events_min else 1


def replay_partitions(
    log: LogFile,
    events: int,
    *,
    partitions: int,
    audited: bool = False,
    signatures: bool = False,
    statement_s: float | None = None,
    progress: Callable[[int], Any] | None = None,
    run: RunPartitions = run_in_processes,
) -> ParallelResult | None:
    """Replay a log in several processes.

    Args:
        log: the log.
        events: replay up to this sequence.
        partitions: how many.
        audited: check the Merkle tree's hashes and the snapshots, too.
        signatures: check external messages against their signed items.
        statement_s: see ``LogFile.limit_statements``; None for no limit.
        progress: called now and then with the number of events that were replayed.
        run: replays the partitions.

    Returns:
        The result; None if the log is invalid. A sequential replay then finds where and why.

    Raises:
        EventStoreError: one of the processes failed.
    """
    tail = log.tail(events)
    job = PartitionJob(
        log.location,
        events,
        Partition.split(log.sample(_SAMPLE_ROWS, until=events), partitions),
        tail.internal_parent,
        os.urandom(KEY_BYTES),
        audited,
        signatures,
        statement_s,
    )
    results = run(job, progress or ignore_progress)
    if any(result.doubt for result in results) or _has_duplicate(results):
        return None
    pending_outbox = in_flight_messages((result.summary for result in results), events=events, tail=tail)
    if pending_outbox is None:
        return None
    states = [state for result in results for state in result.states]
    return ParallelResult(
        pending_outbox,
        root_over(states).hex(),
        len(states),
        sum(result.signatures for result in results),
        sum(result.inside for result in results),
        sum(result.spawns for result in results),
        sum(result.refusals for result in results),
        sum(result.snapshots for result in results),
        [node for result in results for node in result.nodes],
    )


def _has_duplicate(results: list[PartitionResult]) -> bool:
    """Whether an external message may be in the log twice."""
    prefixes = [prefix for result in results for prefix in result.outside]
    return len(set(prefixes)) < len(prefixes)


def ignore_progress(events: int) -> None:
    """The default ``progress``: does nothing."""
