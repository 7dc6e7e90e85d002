"""Replay: every state from the file alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from actors.processes import Registry
from actors.span_workers import Job, SpanWorkers, cores
from actors.states import canonical_state
from actors.world import UnknownModule, World
from eventstore import Assignment, LogFault, Replay, SqliteLog

EVENTS_WORTH_WORKERS = 50_000
"""From so many events on others check the chains meanwhile."""
_PROGRESS_EVENTS = 1000


class Replayed:
    """What a log's replay came to.

    Attributes:
        world: every process, as it was after the last event that was replayed.
        events: how many were.
        log_head: the log chain there, in hex.
        unsent: number of messages that the log does not hold yet: its node was killed before it sent them, and sends
            them when it opens the log again.
    """

    def __init__(self, world: World, replayed: Replay) -> None:
        self.world = world
        self.events = replayed.sequencer.sequence
        self.log_head = replayed.sequencer.log_chain.hex()
        self.unsent = len(replayed.unsent)

    @property
    def state_root(self) -> str:
        """One hash over the state of every process, in hex."""
        return self.world.state_root().hex()

    def find(self, name: str) -> str | None:
        """The process of an id, or of a handle written ``@name``; None if there is none."""
        if not name.startswith("@"):
            return name if name in self.world.entries else None
        for entry in self.world.entries.values():
            if isinstance(entry.process, Registry) and (found := entry.process.state.handles.find(name[1:])):
                return found.pid
        return None

    def state(self, process: str) -> bytes:
        """A process's whole state as canonical JSON."""
        entry = self.world.entries[process]
        return canonical_state(entry.process.state if entry.process else None)


class Earlier:
    """Every state as it was at a sequence, kept while a replay passes by: they are immutable, so that costs little."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._states: dict[str, Any] | None = None

    def watch(self, assignments: Iterator[Assignment], world: World) -> Iterator[Assignment]:
        """The same assignments; when the one after the sequence is asked for, all before are evaluated."""
        for assignment in assignments:
            if assignment.sequence == self._at + 1:
                self._keep(world)
            yield assignment
        if self._states is None:
            self._keep(world)

    def state(self, process: str) -> bytes | None:
        """A process's state as canonical JSON; None if it was not there."""
        states = self._states or {}
        return canonical_state(states[process]) if process in states else None

    def _keep(self, world: World) -> None:
        self._states = {name: entry.process.state if entry.process else None for name, entry in world.entries.items()}


def replay(
    path: str | Path,
    *,
    at: int | None = None,
    progress: Callable[[int], Any] | None = None,
    earlier: Earlier | None = None,
) -> Replayed:
    """Rebuild every state from a log, checking its order, its chains and that each message follows from its parent.

    Args:
        path: the log's file; a node may be writing it.
        at: stop after this sequence.
        progress: called now and then with the number of events replayed.
        earlier: is given every state as it was at a sequence on the way.

    Raises:
        EventStoreError: there is no log, or it contradicts itself (``LogFault``).
        UnknownModule: it needs a module that this version does not have.
    """
    log = SqliteLog.open_to_read(path)
    try:
        end = log.head().sequence if at is None else min(at, log.head().sequence)
        workers = cores() - 1 if end >= EVENTS_WORTH_WORKERS else 0
        world = World(log.received)
        replayed = Replay(world.evaluate, check_chains=not workers)
        assignments = counted(log.read(until=end), progress)
        if earlier is not None:
            assignments = earlier.watch(assignments, world)
        if workers:
            job = Job(str(log.path), end, signatures=False, all_faults=False, workers=workers)
            _follow_with_workers(replayed, assignments, SpanWorkers(job))
        else:
            replayed.follow(assignments)
        return Replayed(world, replayed)
    finally:
        log.close()


def _follow_with_workers(replayed: Replay, assignments: Iterator[Assignment], workers: SpanWorkers) -> None:
    """Replay while others follow the chains. Of all faults the one that comes first in the log is the log's."""
    faults: list[LogFault] = []
    missing: UnknownModule | None = None
    with workers:
        try:
            replayed.follow(assignments)
        except LogFault as fault:
            faults.append(fault)
        except UnknownModule as error:
            missing = error
        for verdict in workers.wait():
            faults += verdict.as_faults()
    if faults:
        raise min(faults, key=lambda fault: fault.sequence)
    if missing is not None:
        raise missing


def counted(assignments: Iterator[Assignment], progress: Callable[[int], Any] | None) -> Iterator[Assignment]:
    """The same assignments; ``progress``, if there is one, is told their number now and then."""
    if progress is None:
        yield from assignments
        return
    for assignment in assignments:
        if assignment.sequence % _PROGRESS_EVENTS == 0:
            progress(assignment.sequence)
        yield assignment
