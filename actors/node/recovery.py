"""Recovery: bring a log to the state in which a node can continue it."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from actors.ans104.wallet import key_path
from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import ProcessTable
from actors.node.clock_guard import check_not_behind
from actors.runtime.logs import get_logger
from eventstore import Head, Lease, LogFile, LogUnusable, Message, ReadPool, Replay, Sequencer, StorageDamaged
from eventstore.engines import Engine, engine_of
from eventstore.snapshots import SnapshotsOutdated, SnapshotStore, SnapshotsUnusable

logger = get_logger()


class Recovered(NamedTuple):
    """An open log, and the processes that its assignments define.

    Only this module knows which engine stores the log, and where. The node uses the interfaces.
    """

    location: str
    """Where a child process opens the same log; also names it in messages to people."""
    key_file: Path
    """Where the node's own key is."""
    log: LogFile
    lease: Lease
    readers: ReadPool
    passive: PassiveProcesses
    processes: ProcessTable
    sequencer: Sequencer
    pending_outbox: list[Message]
    """Messages that a crash kept the node from sending, in order."""
    watermark: int
    """Sequence from which the log was replayed."""
    unchecked_events: int
    """Events that a killed writer left and that only partly were replayed; 0 for a log that was closed, or replayed."""
    open_snapshots: Callable[[], SnapshotStore]
    size_bytes: Callable[[], int]


def recover(location: str | Path, *, new: bool, recheck_events_max: int, now_ms: int | None = None) -> Recovered:
    """Open a log for writing, replay what no snapshot covers, and take the lease.

    Args:
        location: names the log.
        new: refuse a log that already contains assignments.
        recheck_events_max: a log of up to so many events, which no writer closed, is checked and replayed as a whole.
        now_ms: the clock's time, in ms since the epoch, if it is to be compared with the log's last event.

    Raises:
        EventStoreError: the log cannot be opened, or contradicts itself.
        ClockUnreliable: the clock is more than an hour behind the log's last event.
        UnknownModule: the log needs a module that this version lacks.
    """
    engine = engine_of(location)
    _refuse_orphan_key(engine, location)
    log = engine.open_log(location, new=new)
    location = log.location
    try:
        if now_ms is not None:
            last = next(log.read(after=log.head().sequence - 1), None)
            check_not_behind(now_ms, last.timestamp if last else 0, location)
        is_rechecked = not log.was_closed and log.head().sequence <= recheck_events_max
        if is_rechecked and (damage := log.storage_damage()):
            raise StorageDamaged(
                f"{location} is damaged ({damage}): restore a copy of the log, with the -wal of the same copy"
            )
        snapshots, watermark = _usable_snapshots(log, engine, location)
        if is_rechecked:  # a snapshot would keep the rows before it from being checked
            watermark = None
        passive = PassiveProcesses(
            partial(engine.read_log, location), partial(engine.read_snapshots, location), snapshots
        )
        sequencer = Sequencer(passive.head)
        if watermark is not None:
            sequencer.start_after(next(log.read(after=watermark.sequence - 1, until=watermark.sequence)))
        processes = ProcessTable(passive.payloads, passive)
        if watermark is not None and snapshots is not None:
            processes.require_modules(snapshots.modules())
        replayed = Replay(processes.evaluate, sequencer=sequencer)
        replayed.follow(log.read(after=sequencer.sequence))
        readers = ReadPool(partial(engine.read_log, location))
        lease = log.take_lease(f"process {os.getpid()} ({Path(sys.argv[0]).name})")
    except BaseException:
        log.close()
        raise
    return Recovered(
        location=location,
        key_file=key_path(engine.path_of(location)),
        log=log,
        lease=lease,
        readers=readers,
        passive=passive,
        processes=processes,
        sequencer=sequencer,
        pending_outbox=list(replayed.pending_outbox),
        watermark=watermark.sequence if watermark else 0,
        unchecked_events=0 if log.was_closed or is_rechecked else sequencer.sequence,
        open_snapshots=partial(engine.open_snapshots, location),
        size_bytes=partial(engine.size_bytes, location),
    )


def _refuse_orphan_key(engine: Engine, location: str | Path) -> None:
    """Check that no key of another log is used for a new one.

    Raises:
        LogUnusable: there is a key, but no log with events.
    """
    path = engine.path_of(location).resolve()
    if key_path(path).exists() and engine.is_leftover(location):
        raise LogUnusable(
            f"{key_path(path)} is left over: its log {path} is missing or has no events. Put the log back, with"
            f" {path.name}-wal if there was one; or move {key_path(path).name} away to begin a new log"
        )


def _usable_snapshots(log: LogFile, engine: Engine, location: str) -> tuple[SnapshotStore | None, Head | None]:
    """The snapshots of a log if they belong to its history, and their watermark. Unusable ones are deleted."""
    snapshots = None
    try:
        snapshots = engine.read_snapshots(location)
        watermark = snapshots.watermark() if snapshots else None
        if watermark is None or log.has_head(watermark):
            return snapshots, watermark
        warn, reason = logger.warning, "they are of another history"
    except SnapshotsUnusable as error:
        warn = logger.info if isinstance(error, SnapshotsOutdated) else logger.warning
        reason = str(error)
    warn("the snapshots are discarded: everything is replayed", log=location, reason=reason)
    if snapshots is not None:
        snapshots.close()
    try:
        writable = engine.open_snapshots(location)
        writable.clear()
        writable.close()
    except SnapshotsUnusable as error:
        logger.warning("the snapshots cannot be deleted", log=location, reason=str(error))
    return None, None
