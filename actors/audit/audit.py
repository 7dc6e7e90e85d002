"""Audit: replay, and every check that can be made beside it, by somebody who trusts neither the node nor the file."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import msgspec

from actors.audit.parallel_replay import PartitionedReplay, replay_partitions
from actors.audit.replay import counted
from actors.audit.snapshot_check import SnapshotCheck
from actors.evaluation.process_table import ProcessTable
from actors.evidence.checkpoints import NoteInvalid, VerifierKey, key_of
from actors.evidence.proofs import matching_checkpoint
from actors.evidence.signed_items import envelope_fault
from actors.processes import REGISTRIES
from actors.protocol.spawn import module_of
from actors.runtime.child_process import cores
from eventstore import Assignment, LogFault, LogFile, Replay, Unevaluable, read_log
from eventstore.merkle.tiles import FAN, nodes_over
from eventstore.replay.hash_chains import check_chains
from eventstore.replay.sequential import named

PARALLEL_EVENTS_MIN = 5_000
"""From so many events on every core follows a share of the log first."""
TAIL_MAX = 10
"""Unsent messages that are named."""


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
    tail: list[str] = msgspec.field(default_factory=list)
    """The unsent messages in words, the first few of them."""
    checkpoints: int = 0
    """Signed notes, of the log and given, that the node's key signed and that the log agrees with."""
    snapshots: int = 0
    """States beside the log that are what the replay gave."""
    log_head: str = ""
    state_root: str = ""
    faults: list[LogFault] = msgspec.field(default_factory=list)


def audit(
    path: str | Path,
    *,
    checkpoints: Sequence[str] = (),
    signatures: bool = True,
    all_faults: bool = False,
    progress: Callable[[int], Any] | None = None,
) -> Audit:
    """Check everything that a log says of itself.

    Both hash chains; sequences and slots; that time never goes back; every signature and its sender's address; that
    a row shows what its signed item says; that every message between processes is the next one that an evaluation sent;
    every answer and every refusal; every hash of the Merkle tree that the log keeps; every checkpoint; every snapshot.

    Args:
        path: the log's file.
        checkpoints: signed notes that somebody kept: the log has to be the one that they speak of.
        signatures: hold messages from outside against their signed items. Without, an audit takes what they say on
            trust.
        all_faults: go on after the first fault.
        progress: called now and then with the number of events that were checked.

    Raises:
        EventStoreError: there is no log, or it cannot be read.
        UnknownModule: it needs a module that this version does not have.
    """
    log = read_log(path)
    try:
        return _audit(log, checkpoints, signatures, all_faults, progress or _ignore)
    finally:
        log.close()


def _audit(
    log: LogFile, checkpoints: Sequence[str], signatures: bool, all_faults: bool, progress: Callable[[int], Any]
) -> Audit:
    snapshots = SnapshotCheck(log)
    events = log.head().sequence
    whole = None
    if events >= PARALLEL_EVENTS_MIN and cores() > 1:
        whole = replay_partitions(log, events, shares=cores(), audited=True, signatures=signatures, progress=progress)
    if whole is None:
        report, nodes = _in_order(log, events, snapshots, signatures, all_faults, progress)
    else:
        report, nodes = _in_shares(events, whole), whole.nodes
        snapshots.leave(events)
    report.faults += _faults_at_start(log)
    if not report.faults or all_faults:
        report.faults += snapshots.finish()
        if whole is None:  # else those who followed it have looked
            report.faults += _filing_faults(log, events)
        report.faults += _stray_faults(log)
        report.faults += _tree_faults(log, nodes, events)
        report.faults += _checkpoint_faults(log, [*log.checkpoints(), *checkpoints], report)
    report.faults.sort(key=lambda fault: fault.sequence)
    if not all_faults:
        del report.faults[1:]
    report.log_head = log.head().chain.hex()
    return report


def _in_shares(events: int, whole: PartitionedReplay) -> Audit:
    """What a log came to that is sound."""
    return Audit(
        events=events,
        signatures=whole.signatures,
        inside=whole.inside,
        spawns=whole.spawns,
        refusals=whole.refusals,
        unsent=len(whole.unsent),
        tail=[late.name for late in whole.unsent[:TAIL_MAX]],
        snapshots=whole.snapshots,
        state_root=whole.state_root,
    )


def _in_order(
    log: LogFile,
    events: int,
    snapshots: SnapshotCheck,
    signatures: bool,
    all_faults: bool,
    progress: Callable[[int], Any],
) -> tuple[Audit, list[bytes]]:
    """What a log comes to, followed from its beginning, and the hashes over each 256 of its rows."""
    report = Audit()
    world = ProcessTable(log.payloads)
    replayed = Replay(world.evaluate, check_chains=False, on_fault=report.faults.append)
    rows = _counted(log.read(until=events), report, all_faults, lambda row: snapshots.pass_by(row, world))
    try:
        replayed.follow(counted(rows, lambda at: progress(at // 2)))
    except LogFault as fault:
        report.faults.append(fault)
    verdict = check_chains(
        log,
        until=events,
        further=envelope_fault if signatures else None,
        all_faults=all_faults,
        progress=lambda at: progress((events + at) // 2),
    )
    report.faults[:0] = verdict.faults
    report.signatures = verdict.checked
    report.unsent = len(replayed.pending_outbox)
    report.tail = [named(message) for message in islice(replayed.pending_outbox, TAIL_MAX)]
    report.snapshots = snapshots.checked
    report.state_root = world.state_root().hex()
    return report, verdict.nodes


def _counted(
    assignments: Iterator[Assignment],
    report: Audit,
    all_faults: bool,
    evaluated: Callable[[Assignment], list[LogFault]],
) -> Iterator[Assignment]:
    """The same assignments, counted when they are evaluated; up to the first fault if one is enough."""
    outside: set[str] = set()
    for assignment in assignments:
        if assignment.message.parent is None:
            if assignment.message.id in outside:
                report.faults.append(
                    LogFault.at(assignment, "a message that was assigned twice", "once", assignment.message.id)
                )
            outside.add(assignment.message.id)
        yield assignment
        report.faults += evaluated(assignment)
        report.events += 1
        report.inside += assignment.message.parent is not None
        report.spawns += assignment.slot == 0
        report.refusals += assignment.error is not None
        if report.faults and not all_faults:
            return


def _faults_at_start(log: LogFile) -> Iterator[LogFault]:
    """A log begins with its registry."""
    for first in log.read(until=1):
        try:
            module = module_of(first.message)
        except Unevaluable:
            return  # a fault already
        if module not in REGISTRIES:
            yield LogFault.at(first, "the first process", REGISTRIES[-1], module)


def _filing_faults(log: LogFile, events: int) -> Iterator[LogFault]:
    """The first row that whoever looks for it does not find, or finds for another."""
    misfiled = log.unindexed_row(events)
    if misfiled is not None:
        for row in log.read(after=misfiled - 1, until=misfiled):
            yield LogFault.at(row, "what it is found by", "its id and its process's first message", "something else")


def _stray_faults(log: LogFile) -> Iterator[LogFault]:
    """What a message is said to be found at that is not there, or the other way round."""
    stray = log.bad_index_entry()
    if stray is not None:
        what = "what messages are found by"
        yield LogFault(what, sequence=stray, process="(none)", expected="each id once, in its turn", found="another")


def _tree_faults(log: LogFile, first_level: list[bytes], events: int) -> Iterator[LogFault]:
    """Where a hash that the log keeps is not that of its assignments."""
    due = nodes_over(first_level)
    kept = list(log.tree_nodes())
    end = log.head().sequence  # a node that writes meanwhile has added hashes of what was not audited
    within = [node for node in kept if not events < (node.number + 1) * FAN**node.level <= end]
    for expected, found in zip_longest(due, within):
        if expected != found:
            place = expected or found
            assert place is not None
            what = f"hash {place.number} of level {place.level} of the Merkle tree"
            yield LogFault(
                what,
                sequence=(place.number + 1) * FAN**place.level,
                process="(none)",
                expected=expected.hash.hex() if expected else None,
                found=found.hash if found else None,
            )
            return


def _checkpoint_faults(log: LogFile, notes: Sequence[str], report: Audit) -> Iterator[LogFault]:
    """Notes that the log's node did not sign, and those that speak of another history."""
    if not notes:
        return
    try:
        key = key_of(log)
    except LogFault as fault:
        yield fault
        return
    for note in notes:
        try:
            matching_checkpoint(log, note, key)
            report.checkpoints += 1
        except LogFault as fault:
            yield fault
        except NoteInvalid as error:
            yield _fault_of_note(key, str(error))


def _fault_of_note(key: VerifierKey, reason: str) -> LogFault:
    return LogFault("a checkpoint", sequence=0, process=key.name, expected=f"one signed by {key}", found=reason)


def _ignore(events: int) -> None:
    """Progress that nobody looks at."""
