"""Audit: replay, plus every check that a log allows, for a reader who trusts neither the node nor the file.

Without a statement from outside, an audit proves that a log is consistent and that its people signed its messages. It
does not prove that messages are all there, in the order and at the times at which they were sent.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import msgspec

from actors.audit.integrity import IntegrityCheck
from actors.audit.parallel_replay import ParallelResult, ignore_progress, jobs_for, replay_partitions
from actors.audit.partition_workers import RunPartitions, run_in_processes
from actors.audit.replay import counted
from actors.audit.snapshot_check import SnapshotCheck
from actors.evaluation.process_table import ProcessTable
from actors.evidence.checkpoints import NoteInvalid, VerifierKey, is_signed_by_others, key_of
from actors.evidence.cosignatures import cosignatures_of
from actors.evidence.proofs import matching_checkpoint
from actors.evidence.signed_items import envelope_fault
from actors.evidence.statements import Statement, stronger_statement
from actors.processes import REGISTRIES
from actors.protocol.spawn import module_of
from eventstore import (
    Assignment,
    CommitLog,
    Evidence,
    LogDamaged,
    LogFault,
    LogFile,
    LogUnusable,
    Replay,
    TreeNode,
    Unevaluable,
    read_log,
)
from eventstore.engines import engine_of
from eventstore.merkle.tiles import FAN, nodes_over
from eventstore.replay.hash_chains import check_chains
from eventstore.replay.sequential import describe

PARALLEL_EVENTS_MIN = 5_000
"""A log of this length is replayed on every core first."""
STATEMENT_S = 60.0
"""Seconds within which a statement must yield its next row, in addition to the time that a scan of the file takes."""
INTEGRITY_FAULTS_MAX = 100
"""Findings about pages and indexes that are reported with ``all_faults``."""
LEVEL_MAX = 8
"""Highest level of a Merkle tree: a node of level 8 covers as many rows as a sequence can number."""
TAIL_MAX = 10
"""Messages of the pending outbox that are described."""


class Audit(msgspec.Struct):
    """What was checked, and what was found."""

    events: int = 0
    signatures: int = 0
    """External messages whose signature and sender's address are right."""
    inside: int = 0
    """Messages between processes that are, byte for byte, what the evaluation of their parents sent."""
    spawns: int = 0
    refusals: int = 0
    unsent: int = 0
    """Messages of the pending outbox: a crash kept the node from sending them. It sends them when it opens the log."""
    tail: list[str] = msgspec.field(default_factory=list)
    """Descriptions of the first messages of the pending outbox."""
    checkpoints: int = 0
    """Signed notes, stored or given, that the node's key signed and that match the log."""
    statement: Statement | None = None
    """The longest checkpoint that vouches for the log from outside; None if there is none, or the log has a fault."""
    snapshots: int = 0
    """Snapshots that equal the replayed states."""
    integrity_s: float = 0.0
    """How long the check of all pages and indexes took, beside the replay."""
    log_head: str = ""
    state_root: str = ""
    faults: list[LogFault] = msgspec.field(default_factory=list)
    """In the order of the log."""


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
        lambda: _first_process_faults(log),
        snapshots.finish,
        lambda: _unindexed_faults(log, events) if parallel is None else (),  # a parallel replay checks the index itself
        lambda: _index_entry_faults(log),
        lambda: _tree_faults(log, nodes, events),
        lambda: _checkpoint_faults(log, log.checkpoints(), checkpoints, witness_keys, report),
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


def _first_process_faults(log: CommitLog) -> Iterator[LogFault]:
    """Yields a fault if the first row does not start a registry."""
    for first in log.read(until=1):
        try:
            module = module_of(first.message)
        except Unevaluable:
            return  # reported already
        if module not in REGISTRIES:
            yield LogFault.at(first, "the first process", REGISTRIES[-1], module)


def _unindexed_faults(log: LogFile, events: int) -> Iterator[LogFault]:
    """The first row that a lookup misses, or finds under another key."""
    sequence = log.unindexed_row(events)
    if sequence is not None:
        for row in log.read(after=sequence - 1, until=sequence):
            yield LogFault.at(row, "what it is found by", "its id and its process's first message", "something else")


def _index_entry_faults(log: Evidence) -> Iterator[LogFault]:
    """The first index entry that leads to another row, or is missing."""
    sequence = log.bad_index_entry()
    if sequence is not None:
        what = "what messages are found by"
        yield LogFault(what, sequence=sequence, process="(none)", expected="each id once, in its turn", found="another")


def _tree_faults(log: LogFile, first_level: list[bytes], events: int) -> Iterator[LogFault]:
    """The first stored tree hash that differs from the assignments' hash."""
    expected_nodes = nodes_over(first_level)
    end = log.head().sequence  # a node that writes meanwhile adds hashes over rows that were not audited
    stored_nodes = [node for node in log.tree_nodes() if not events < _end_of(node) <= end]
    for expected, found in zip_longest(expected_nodes, stored_nodes):
        if expected != found:
            node = expected or found
            assert node is not None
            what = f"hash {node.number} of level {node.level} of the Merkle tree"
            yield LogFault(
                what,
                sequence=_end_of(node),
                process="(none)",
                expected=expected.hash.hex() if expected else None,
                found=found.hash.hex() if found and found.hash else None,
            )
            return


def _end_of(node: TreeNode) -> int:
    """Sequence of the last row under a node; 0 if no tree has such a node."""
    level, number = node.level, node.number
    if type(level) is type(number) is int and 0 <= level <= LEVEL_MAX and number >= 0:
        return int((number + 1) * FAN**level)
    return 0


def _checkpoint_faults(
    log: LogFile, stored: Sequence[str], kept: Sequence[str], witness_keys: Sequence[VerifierKey], report: Audit
) -> Iterator[LogFault]:
    """Yields a fault for each checkpoint with a wrong signature or root, and reports the strongest statement."""
    notes = [*stored, *kept]
    if not notes:
        return
    try:
        key = key_of(log)
    except LogFault as fault:
        yield fault
        return
    except LogUnusable as error:
        yield LogFault.of_file("the checkpoints", "those of the log's events", str(error))
        return
    for number, note in enumerate(notes):
        try:
            checkpoint = matching_checkpoint(log, note, key)
            if is_signed_by_others(note, key):
                yield _fault_of_note(key, "another key also signed it under the log's name")
                continue
            cosignatures = cosignatures_of(note, witness_keys) if witness_keys else []
            report.checkpoints += 1
            if cosignatures or number >= len(stored):
                statement = Statement(checkpoint, key, tuple(cosignatures), note)
                report.statement = stronger_statement(report.statement, statement)
        except LogFault as fault:
            yield fault
        except NoteInvalid as error:
            yield _fault_of_note(key, str(error))


def _fault_of_note(key: VerifierKey, reason: str) -> LogFault:
    return LogFault("a checkpoint", sequence=0, process=key.name, expected=f"one signed by {key}", found=reason)
