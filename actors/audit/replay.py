"""Replay: every state from the file alone."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from actors.audit.parallel_replay import replay_partitions
from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import Entry, ProcessTable
from actors.evaluation.state_codec import canonical_state
from actors.processes import Registry
from actors.runtime.child_process import cores
from eventstore import Assignment, Head, LogFault, LogFile, Replay, read_log

PARALLEL_EVENTS_MIN = 20_000
"""From so many events on every core follows a share of the log."""
_PROGRESS_EVENTS = 1000


class ReplayResult:
    """What a log's replay came to.

    Attributes:
        world: every process, as it was after the last event that was replayed; where several replayed it, none of them
            lives here before it is asked for.
        events: how many were.
        log_head: the log chain there, in hex.
        state_root: one hash over the state of every process, in hex.
        processes: how many there are.
        unsent: number of messages that the log does not hold yet: its node was killed before it sent them, and sends
            them when it opens the log again.
    """

    def __init__(
        self,
        world: ProcessTable,
        *,
        head: Head,
        registry: str,
        state_root: str,
        processes: int,
        unsent: int,
        idle: PassiveProcesses | None = None,
    ) -> None:
        self.world = world
        self.events = head.sequence
        self.log_head = head.chain.hex()
        self._registry = registry
        self._idle = idle
        self.state_root = state_root
        self.processes = processes
        self.unsent = unsent

    def find(self, name: str) -> str | None:
        """The process of an id, or of a handle written ``@name``; None if there is none."""
        if not name.startswith("@"):
            return name if self._entry(name) else None
        registry = self._entry(self._registry)
        if registry is None or not isinstance(registry.process, Registry):
            return None
        found = registry.process.state.handles.find(name[1:])
        return found.pid if found else None

    def state(self, process: str) -> bytes:
        """A process's whole state as canonical JSON."""
        entry = self._entry(process)
        if entry is None:
            raise LookupError(process)
        return canonical_state(entry.process.state if entry.process else None)

    def _entry(self, process: str) -> Entry | None:
        try:
            return self.world.find(process, before=self.events + 1)
        finally:
            if self._idle is not None:
                self._idle.close()


class Earlier:
    """Every state as it was at a sequence, kept while a replay passes by: they are immutable, so that costs little."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._states: dict[str, Any] | None = None

    def watch(self, assignments: Iterator[Assignment], world: ProcessTable) -> Iterator[Assignment]:
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

    def _keep(self, world: ProcessTable) -> None:
        self._states = {name: entry.process.state if entry.process else None for name, entry in world.entries.items()}


def replay(
    path: str | Path,
    *,
    at: int | None = None,
    progress: Callable[[int], Any] | None = None,
    earlier: Earlier | None = None,
) -> ReplayResult:
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
    log = read_log(path, excerpt=True)
    try:
        first = next(log.read(until=1), None)
        registry = first.process if first else ""
        end = log.head().sequence if at is None else min(at, log.head().sequence)
        if log.is_excerpt:
            return _replay_excerpt(log, end, counted(log.read(until=end), progress))
        if end >= PARALLEL_EVENTS_MIN and cores() > 1 and earlier is None:
            whole = replay_partitions(log, end, shares=cores(), progress=progress)
            if whole is not None:
                [chain] = log.leaves(end - 1, end)
                idle = PassiveProcesses(partial(read_log, path), lambda: None)
                return ReplayResult(
                    ProcessTable(idle.payloads, idle),
                    idle=idle,
                    head=Head(end, chain),
                    registry=registry,
                    state_root=whole.state_root,
                    processes=whole.processes,
                    unsent=len(whole.unsent),
                )
        world = ProcessTable(log.payloads)
        replayed = Replay(world.evaluate)
        assignments = counted(log.read(until=end), progress)
        if earlier is not None:
            assignments = earlier.watch(assignments, world)
        replayed.follow(assignments)
        return ReplayResult(
            world,
            head=Head(replayed.sequencer.sequence, replayed.sequencer.log_chain),
            registry=registry,
            state_root=world.state_root().hex(),
            processes=len(world.entries),
            unsent=len(replayed.pending_outbox),
        )
    finally:
        log.close()


def _replay_excerpt(log: LogFile, end: int, rows: Iterable[Assignment]) -> ReplayResult:
    """Some processes by themselves: what they were sent by others was proven when they came."""
    world = ProcessTable(log.payloads)
    for row in rows:
        evaluated = world.evaluate(row)
        for what, due, found in (("output", evaluated.output, row.output), ("error", evaluated.error, row.error)):
            if due != found:
                raise LogFault.at(row, what, due, found)
    [chain] = log.leaves(end - 1, end)
    root = world.state_root().hex()
    head = Head(end, chain)
    return ReplayResult(world, head=head, registry="", state_root=root, processes=len(world.entries), unsent=0)


def counted(assignments: Iterator[Assignment], progress: Callable[[int], Any] | None) -> Iterator[Assignment]:
    """The same assignments; ``progress``, if there is one, is told their number now and then."""
    if progress is None:
        yield from assignments
        return
    for assignment in assignments:
        if assignment.sequence % _PROGRESS_EVENTS == 0:
            progress(assignment.sequence)
        yield assignment
