"""Replay: every state from the log alone."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from actors.audit.parallel_replay import jobs_for, replay_partitions
from actors.audit.partition_workers import RunPartitions, run_in_processes
from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import Entry, ProcessTable
from actors.evaluation.state_codec import canonical_state
from actors.processes import Registry
from actors.protocol.messages import Refusal
from eventstore import Assignment, Head, LogFault, LogFile, Replay, read_log

PARALLEL_EVENTS_MIN = 20_000
"""A log of this length is replayed on every core."""
_PROGRESS_EVENTS = 1_000


class ReplayResult:
    """What a replay rebuilt.

    Attributes:
        process_table: every process, as it was after the last replayed event. After a parallel replay a process is
            restored when it is first asked for.
        events: number of replayed events.
        log_head: the log chain there, in hex.
        state_root: one hash over the state of every process, in hex.
        processes: number of processes.
        unsent: number of messages in the pending outbox: a crash kept the node from sending them. It sends them when it
            opens the log again.
    """

    def __init__(
        self,
        process_table: ProcessTable,
        *,
        head: Head,
        registry: str,
        state_root: str,
        processes: int,
        unsent: int,
        passive: PassiveProcesses | None = None,
    ) -> None:
        self.process_table = process_table
        self.events = head.sequence
        self.log_head = head.chain.hex()
        self._registry = registry
        self._passive = passive
        self.state_root = state_root
        self.processes = processes
        self.unsent = unsent

    def __repr__(self) -> str:
        return f"ReplayResult(events={self.events}, processes={self.processes}, state_root={self.state_root!r})"

    def find(self, name: str) -> str | None:
        """The process of an id, or of a handle written ``@name``; None if there is none."""
        if not name.startswith("@"):
            return name if self._entry(name) else None
        registry = self._entry(self._registry)
        if registry is None or not isinstance(registry.process, Registry):
            return None
        try:
            found = registry.process.state.handles.find(name[1:])
        except Refusal:  # no handle can have this name
            return None
        return found.pid if found else None

    def state(self, process: str) -> bytes:
        """A process's whole state as canonical JSON.

        Raises:
            LookupError: there is no such process.
        """
        entry = self._entry(process)
        if entry is None:
            raise LookupError(process)
        return canonical_state(entry.process.state if entry.process else None)

    def _entry(self, process: str) -> Entry | None:
        try:
            return self.process_table.find(process, before=self.events + 1)
        finally:
            if self._passive is not None:
                self._passive.close()


class Earlier:
    """Every state at a sequence, kept while a replay passes it. States are immutable, so this costs little."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._states: dict[str, Any] | None = None

    def watch(self, assignments: Iterator[Assignment], process_table: ProcessTable) -> Iterator[Assignment]:
        """The same assignments. When the one after the sequence is requested, all before it are evaluated."""
        for assignment in assignments:
            if assignment.sequence == self._at + 1:
                self._keep(process_table)
            yield assignment
        if self._states is None:
            self._keep(process_table)

    def state(self, process: str) -> bytes | None:
        """A process's state as canonical JSON; None if the process did not exist yet."""
        states = self._states or {}
        return canonical_state(states[process]) if process in states else None

    def _keep(self, process_table: ProcessTable) -> None:
        self._states = {
            name: entry.process.state if entry.process else None for name, entry in process_table.entries.items()
        }


def replay(
    path: str | Path,
    *,
    at: int | None = None,
    progress: Callable[[int], Any] | None = None,
    earlier: Earlier | None = None,
    jobs: int | None = None,
    run: RunPartitions = run_in_processes,
) -> ReplayResult:
    """Rebuild every state from a log, and check its order, its chains and that each message follows from its parent.

    Args:
        path: the log's file. A node may be writing it.
        at: stop after this sequence.
        progress: called now and then with the number of replayed events.
        earlier: receives every state as it was at a sequence on the way.
        jobs: processes that replay the log; one per core for a log of ``PARALLEL_EVENTS_MIN`` events by default.
        run: replays the partitions of a parallel replay.

    Raises:
        EventStoreError: there is no log, or it contradicts itself (``LogFault``).
        UnknownModule: the log needs a module that this version lacks.
    """
    log = read_log(path, excerpt=True)
    try:
        first = next(log.read(until=1), None)
        registry = first.process if first else ""
        end = log.head().sequence if at is None else min(at, log.head().sequence)
        if log.is_excerpt:
            return _replay_excerpt(log, end, counted(log.read(until=end), progress))
        partitions = jobs_for(end, jobs=jobs, events_min=PARALLEL_EVENTS_MIN)
        if partitions > 1 and end and earlier is None:
            parallel = replay_partitions(log, end, partitions=partitions, progress=progress, run=run)
            if parallel is not None:
                [chain] = log.leaves(end - 1, end)
                passive = PassiveProcesses(partial(read_log, path), lambda: None)
                return ReplayResult(
                    ProcessTable(passive.payloads, passive),
                    passive=passive,
                    head=Head(end, chain),
                    registry=registry,
                    state_root=parallel.state_root,
                    processes=parallel.processes,
                    unsent=len(parallel.pending_outbox),
                )
        process_table = ProcessTable(log.payloads)
        replayed = Replay(process_table.evaluate)
        assignments = counted(log.read(until=end), progress)
        if earlier is not None:
            assignments = earlier.watch(assignments, process_table)
        replayed.follow(assignments)
        return ReplayResult(
            process_table,
            head=Head(replayed.sequencer.sequence, replayed.sequencer.log_chain),
            registry=registry,
            state_root=process_table.state_root().hex(),
            processes=len(process_table.entries),
            unsent=len(replayed.pending_outbox),
        )
    finally:
        log.close()


def _replay_excerpt(log: LogFile, end: int, rows: Iterable[Assignment]) -> ReplayResult:
    """Replay an excerpt. Its import proved the messages from processes that it lacks."""
    process_table = ProcessTable(log.payloads)
    for row in rows:
        evaluated = process_table.evaluate(row)
        for what, expected, found in (("output", evaluated.output, row.output), ("error", evaluated.error, row.error)):
            if expected != found:
                raise LogFault.at(row, what, expected, found)
    [chain] = log.leaves(end - 1, end)
    return ReplayResult(
        process_table,
        head=Head(end, chain),
        registry="",
        state_root=process_table.state_root().hex(),
        processes=len(process_table.entries),
        unsent=0,
    )


def counted(assignments: Iterator[Assignment], progress: Callable[[int], Any] | None) -> Iterator[Assignment]:
    """The same assignments; reports their number to ``progress`` now and then."""
    if progress is None:
        yield from assignments
        return
    for assignment in assignments:
        if assignment.sequence % _PROGRESS_EVENTS == 0:
            progress(assignment.sequence)
        yield assignment
