"""A log brought to where a node can go on with it."""

from pathlib import Path
from typing import NamedTuple

from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import ProcessTable
from actors.runtime.logs import get_logger
from eventstore import Head, Replay, Sequencer, SqliteLog
from eventstore.sqlite.snapshots import Snapshots, SnapshotsUnusable, snapshots_path

logger = get_logger()


class Opened(NamedTuple):
    """A log whose processes are known, those that are idle by where they are."""

    log: SqliteLog
    idle: PassiveProcesses
    world: ProcessTable
    replayed: Replay
    mark: int
    """Sequence from which on the log was replayed."""


def open_log(path: str | Path, *, new: bool) -> Opened:
    """Open a log for writing, and replay what no snapshot stands for.

    Raises:
        EventStoreError: it cannot be opened, or contradicts itself.
        UnknownModule: it needs a module that this version does not have.
    """
    log = SqliteLog.open(path, new=new)
    try:
        snapshots, mark = _usable(log)
        idle = PassiveProcesses(log.path, snapshots)
        sequencer = Sequencer(idle.head)
        if mark is not None:
            sequencer.start_after(next(log.read(after=mark.sequence - 1, until=mark.sequence)))
        world = ProcessTable(idle.payloads, idle)
        if mark is not None and snapshots is not None:
            world.need(snapshots.modules())
        replayed = Replay(world.evaluate, sequencer=sequencer)
        replayed.follow(log.read(after=sequencer.sequence))
    except BaseException:
        log.close()
        raise
    return Opened(log, idle, world, replayed, mark.sequence if mark else 0)


def _usable(log: SqliteLog) -> tuple[Snapshots | None, Head | None]:
    """The snapshots of a log, if they are of its history, and up to where they spare a replay."""
    path = snapshots_path(log.path)
    try:
        snapshots = Snapshots.open_to_read(path)
        mark = snapshots.mark() if snapshots else None
    except SnapshotsUnusable as error:
        logger.warning("the snapshots are not used: everything is replayed", reason=str(error))
        return None, None
    if snapshots is None or mark is None:
        return snapshots, None
    if not log.has_head(mark):
        logger.warning("the snapshots are of another history: everything is replayed", snapshots=str(path))
        snapshots.close()
        writable = Snapshots.open(path)
        writable.clear()
        writable.close()
        return None, None
    return snapshots, mark
