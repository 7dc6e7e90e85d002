"""Audit: replay, plus every check that a log allows, for a reader who trusts neither the node nor the file.

Without a statement from outside, an audit proves that a log is consistent and that its people signed its messages. It
does not prove that messages are all there, in the order and at the times at which they were sent.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from actors.audit.integrity import IntegrityCheck
from actors.audit.parallel_replay import ParallelResult, ignore_progress, jobs_for, replay_partitions
from actors.audit.partition_workers import RunPartitions, run_in_processes
from actors.audit.replay import counted
from actors.audit.report import Audit
from actors.audit.row_checks import (
    checkpoint_faults,
    first_process_faults,
    index_entry_faults,
    tree_faults,
    unindexed_faults,
)
from actors.audit.snapshot_check import SnapshotCheck
from actors.evaluation.process_table import ProcessTable
from actors.evidence.checkpoints import VerifierKey
from actors.evidence.signed_items import envelope_fault
from eventstore import Assignment, CommitLog, LogDamaged, LogFault, LogFile, LogUnusable, Replay, read_log
from eventstore.engines import engine_of
from eventstore.replay.hash_chains import check_chains
from eventstore.replay.sequential import describe

PARALLEL_EVENTS_MIN = 5_000
"""A log of this length is replayed on every core first."""
STATEMENT_S = 60.0
"""Seconds within which a statement must yield its next row, in addition to the time that a scan of the file takes."""
INTEGRITY_FAULTS_MAX = 100
"""Findings about pages and indexes that are reported with ``all_faults``."""
TAIL_MAX = 10
"""Messages of the pending outbox that are described."""


def audit(
    path: str | Path,
    *,
    checkpoints: Sequence[str] = (),
    witness_keys: Sequence[VerifierKey] = (),
    signatures: bool = True,
    all_faults: bool = False,
    progress: Callable[[int], Any] | None = None,
    jobs: int | None = None,
    run: RunPartitions = run_in_processes,
    statement_s: float = STATEMENT_S,
) -> Audit:
    """Check a log against itself, and against statements from outside.

    Before the audit reads a row, it compares the tables, indexes, views and triggers of the file with those that its
    format defines. Beside the replay it checks every page and every index of the file.

    The audit checks both hash chains; sequences, slots and timestamps; every signature and its sender's address; that a
    row shows what its signed item says; that every message between processes is the next one that an evaluation sent;
    every output and every error; every stored hash of the Merkle tree; every index entry; every checkpoint; every
    snapshot.

    Args:
        path: the log's file.
        checkpoints: signed notes that were kept elsewhere. The log must match them.
        witness_keys: verifier keys of witnesses. A stored note that one of them cosigned is a statement from outside.
        signatures: check external messages against their signed items. Without, the audit trusts what they say.
        all_faults: continue after the first fault.
        progress: called now and then with the number of events that were checked.
        jobs: processes that replay the log; one per core for a log of ``PARALLEL_EVENTS_MIN`` events by default.
        run: replays the partitions of a parallel replay.
        statement_s: a query that yields no row for so long, plus the time to scan the file, is a fault.

    Raises:
        EventStoreError: there is no log.
        UnknownModule: the log needs a module that this version lacks.
    """
    schema_faults = engine_of(path).schema_faults(path)
    if schema_faults and not all_faults:
        return Audit(faults=schema_faults[:1])
    try:
        log = read_log(path)
    except LogUnusable:
        if not schema_faults:
            raise
        return Audit(faults=schema_faults)  # the rows are not read: anything may stand in the place of a table
    integrity = IntegrityCheck(path, faults_max=INTEGRITY_FAULTS_MAX if all_faults else 1)
    try:
        log.limit_statements(statement_s)
        progress = integrity.start_with(progress or ignore_progress)
        try:
            report = _checked(log, checkpoints, witness_keys, signatures, all_faults, progress, jobs, run, statement_s)
        except LogDamaged as damage:
            report = Audit(faults=[damage.fault])
        if not report.faults or all_faults:
            report.faults += integrity.faults()
    finally:
        integrity.stop()
        log.close()
    report.integrity_s = integrity.elapsed_s
    report.faults = [*schema_faults, *sorted(_distinct(report.faults), key=lambda fault: fault.sequence)]
    if not all_faults:
        del report.faults[1:]
    if report.faults:
        report.statement = None
    return report


def _checked(
    log: LogFile,
    checkpoints: Sequence[str],
    witness_keys: Sequence[VerifierKey],
    signatures: bool,
    all_faults: bool,
    progress: Callable[[int], Any],
    jobs: int | None,
    run: RunPartitions,
    statement_s: float,
) -> Audit:
    """The report of all checks that read rows."""
    snapshots = SnapshotCheck(log)
    events = log.head().sequence
    partitions = jobs_for(events, jobs=jobs, events_min=PARALLEL_EVENTS_MIN)
    parallel, damage = None, None
    if partitions > 1:
        try:
            parallel = replay_partitions(
                log,
                events,
                partitions=partitions,
                audited=True,
                signatures=signatures,
                statement_s=statement_s,
                progress=progress,
                run=run,
            )
        except LogDamaged as error:  # the sequential replay finds the place
            damage = error
    if parallel is None:
        report, nodes = _sequential(log, events, snapshots, signatures, all_faults, progress)
    else:
        report, nodes = _report_of(events, parallel), parallel.nodes
        snapshots.skip_until(events)
    if damage is not None:
        report.faults.append(damage.fault)
    checks: list[Callable[[], Iterable[LogFault]]] = [
        lambda: first_process_faults(log),
        snapshots.finish,
        lambda: unindexed_faults(log, events) if parallel is None else (),  # a parallel replay checks the index itself
        lambda: index_entry_faults(log),
        lambda: tree_faults(log, nodes, events),
        lambda: checkpoint_faults(log, log.checkpoints(), checkpoints, witness_keys, report),
    ]
    for check in checks:
        if not report.faults or all_faults:
            _collect(report.faults, check)
    report.log_head = _head_text(log)
    return report


def _collect(faults: list[LogFault], check: Callable[[], Iterable[LogFault]]) -> None:
    """Add what a check finds. Rows that cannot be read, or that earlier checks found malformed, end the check."""
    try:
        faults += check()
    except LogDamaged as damage:
        faults.append(damage.fault)
    except (TypeError, ValueError, AttributeError, LookupError):
        if not faults:
            raise


def _distinct(faults: Iterable[LogFault]) -> list[LogFault]:
    """The faults without repetitions: two passes find the same damage."""
    distinct = {(fault.sequence, fault.what, str(fault.found)): fault for fault in faults}
    return [fault.detached() for fault in distinct.values()]


def _head_text(log: CommitLog) -> str:
    """The log's head in hex; empty if it cannot be read."""
    try:
        chain = log.head().chain
    except LogDamaged:
        return ""
    return chain.hex() if isinstance(chain, bytes) else ""


def _report_of(events: int, parallel: ParallelResult) -> Audit:
    """The report of a log that a parallel replay found valid."""
    return Audit(
        events=events,
        signatures=parallel.signatures,
        inside=parallel.inside,
        spawns=parallel.spawns,
        refusals=parallel.refusals,
        unsent=len(parallel.pending_outbox),
        tail=[message.description for message in parallel.pending_outbox[:TAIL_MAX]],
        snapshots=parallel.snapshots,
        state_root=parallel.state_root,
    )


def _sequential(
    log: LogFile,
    events: int,
    snapshots: SnapshotCheck,
    signatures: bool,
    all_faults: bool,
    progress: Callable[[int], Any],
) -> tuple[Audit, list[bytes]]:
    """The report of a sequential replay, and the tree's hashes over each 256 rows."""
    report = Audit()
    processes = ProcessTable(log.payloads)
    replayed = Replay(processes.evaluate, check_chains=False, on_fault=report.faults.append)
    rows = _counted(log.read(until=events), report, all_faults, lambda row: snapshots.check_after(row, processes))
    try:
        replayed.follow(counted(rows, lambda at: progress(at // 2)))
    except LogFault as fault:
        report.faults.append(fault.detached())
    except LogDamaged as damage:
        report.faults.append(damage.fault)
    verdict = check_chains(
        log,
        until=events,
        extra_check=envelope_fault if signatures else None,
        all_faults=all_faults,
        progress=lambda at: progress((events + at) // 2),
    )
    report.faults[:0] = verdict.faults
    report.signatures = verdict.checked
    report.unsent = len(replayed.pending_outbox)
    report.tail = [describe(message) for message in islice(replayed.pending_outbox, TAIL_MAX)]
    report.snapshots = snapshots.checked
    try:
        report.state_root = processes.state_root().hex()
    except (TypeError, ValueError):  # a process whose id is of another type
        if not report.faults:
            raise
    return report, verdict.nodes


def _counted(
    assignments: Iterator[Assignment],
    report: Audit,
    all_faults: bool,
    check_after: Callable[[Assignment], list[LogFault]],
) -> Iterator[Assignment]:
    """The same assignments, each counted after it was evaluated; ends at the first fault unless all are wanted."""
    outside: set[str] = set()
    for assignment in assignments:
        if assignment.message.parent is None:
            if assignment.message.id in outside:
                report.faults.append(
                    LogFault.at(assignment, "a message that was assigned twice", "once", assignment.message.id)
                )
            outside.add(assignment.message.id)
        yield assignment
        report.faults += check_after(assignment)
        report.events += 1
        report.inside += assignment.message.parent is not None
        report.spawns += assignment.slot == 0
        report.refusals += assignment.error is not None
        if report.faults and not all_faults:
            return
