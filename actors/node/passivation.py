"""Which processes live in memory, and which are left to their snapshots and the log."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from heapq import nsmallest
from pathlib import Path
from time import thread_time
from typing import Any, NamedTuple

import msgspec

from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import Entry, ProcessTable
from actors.evaluation.state_codec import canonical_state
from actors.node.group_commit import GroupCommit
from actors.runtime.logs import get_logger
from eventstore import EventStoreError, Head, Sequencer
from eventstore.sqlite.snapshots import Snapshot, Snapshots, SnapshotsUnusable

MAX_LIVE = 100_000
"""Processes that live in memory at one time."""
IDLE_S = 300.0
"""A process that nobody wrote to for so long leaves memory."""
SLOTS_MIN = 32
"""Slots that are replayed rather than a snapshot written …"""
BYTES_PER_SLOT = 1024
"""… and one more for so many bytes of the last snapshot: a large state is not written for a few messages."""
MARK_EVENTS = 100_000
"""After so many events snapshots are written, so that a node that is killed opens its log again soon."""
EVENTS_MIN = 1_000
"""A shorter log has no snapshots: it is replayed before they are found."""
_TICKS = 4
_REST = 4
"""So many times as long as it worked on one snapshot the writing thread rests before the next, unless somebody waits
for it: else those who talk meanwhile would wait, for the interpreter lock and for a core."""

logger = get_logger()


class _Due(NamedTuple):
    """A snapshot that is to be written. States are immutable, so any thread may write it while the process goes on."""

    snapshot: Snapshot
    state: Any

    def written(self) -> Snapshot:
        return msgspec.structs.replace(self.snapshot, state=canonical_state(self.state)).hashed()


class Passivation:
    """Sends the processes that are idle longest out of memory, and writes snapshots.

    It looks between two messages from outside only, when everything that was assigned is evaluated. What it saw then
    is written once it is durable: no snapshot is ever ahead of the log.

    Args:
        world: what lives.
        sequencer: keeps where the histories of the live processes end.
        commits: knows what is durable.
        idle: where processes are read from that do not live.
        path: the file of snapshots; made when there is something to write.
        mark: up to where the log was followed when snapshots were last written.
        pool: where snapshots are written.
        released: is told of each process that left.
        resume: is called when messages may be assigned again.
        max_live: processes that live at one time.
        idle_s: seconds without a message after which a process leaves.
    """

    def __init__(
        self,
        world: ProcessTable,
        sequencer: Sequencer,
        commits: GroupCommit,
        idle: PassiveProcesses,
        path: Path,
        *,
        mark: int,
        pool: Executor,
        released: Callable[[str], None],
        resume: Callable[[], None],
        max_live: int = MAX_LIVE,
        idle_s: float = IDLE_S,
    ) -> None:
        self.max_live = max_live
        self._live_low, self._live_high = max_live * 3 // 4, max_live * 7 // 8
        self._world, self._sequencer, self._commits, self._idle = world, sequencer, commits, idle
        self._path, self._mark, self._pool = path, mark, pool
        self._released, self._resume = released, resume
        self._snapshots: Snapshots | None = None
        self._running: asyncio.Task[None] | None = None
        self._hurry = threading.Event()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._seen = deque([0], maxlen=_TICKS + 1)
        self._tick_s = idle_s / _TICKS
        self._swept = True
        self._timer = self._loop.call_later(self._tick_s, self._tick)

    def must_wait(self) -> bool:
        """Look at what lives. Has to be called between two messages from outside.

        Returns:
            Whether nothing more may be assigned before some processes have left.
        """
        live = len(self._world.entries)
        if self._running is None and not self._closing:
            mark_is_due = self._sequencer.sequence - self._mark >= MARK_EVENTS
            if mark_is_due or live > self._live_high or not self._swept:
                self._swept = True
                leaving = self._idlest(live)
                if mark_is_due or leaving:
                    self._hurry.clear()
                    self._running = self._loop.create_task(self._run(self._now(), self._due(), leaving))
        if self._running is None or live <= self.max_live:
            return False
        self._hurry.set()
        return True

    async def done(self) -> None:
        """Wait until nobody is on the way out."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def close(self) -> None:
        """Write the last snapshots of a node whose log is settled, and let go of every file."""
        self._timer.cancel()
        self._closing = True
        self._hurry.set()
        await self.done()
        if self._commits.failed is None and self._sequencer.sequence >= EVENTS_MIN:
            await self._write(self._now(), self._due())
        self._idle.close()
        if self._snapshots is not None:
            self._snapshots.close()

    def sweep(self) -> None:
        """Another quarter of the idle time is over: see who has been idle for all of it."""
        self._seen.append(self._sequencer.sequence)
        self._swept = False
        self._resume()  # a node that nobody writes to looks too

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        self.sweep()

    def _now(self) -> Head:
        return Head(self._sequencer.sequence, self._sequencer.log_chain)

    def _idlest(self, live: int) -> list[tuple[str, int]]:
        """Processes that have to leave, with their slots: those that are idle too long, and so many that there is room
        again.
        """
        entries = self._world.entries
        idle_since = self._seen[0] if len(self._seen) > _TICKS else 0
        leaving = [(name, entry.slot) for name, entry in entries.items() if entry.sequence <= idle_since]
        surplus = live - self._live_low if live > self._live_high else 0
        if len(leaving) < surplus:
            oldest = nsmallest(surplus, entries, key=lambda name: entries[name].sequence)
            leaving = [(name, entries[name].slot) for name in oldest]
        return leaving

    def _due(self) -> list[_Due]:
        """Snapshots that are worth being written."""
        return [
            self._due_of(process, entry)
            for process, entry in self._world.entries.items()
            if entry.slot - entry.snapshot_slot >= max(SLOTS_MIN, entry.snapshot_bytes // BYTES_PER_SLOT)
        ]

    def _due_of(self, process: str, entry: Entry) -> _Due:
        head = self._sequencer.head(process)
        assert head is not None
        assert head.slot == entry.slot  # between two messages from outside everything is evaluated
        place = (process, entry.slot, entry.sequence, entry.module, entry.owner, head.assignment_id)
        return _Due(Snapshot(*place, b""), entry.process.state if entry.process else None)

    async def _run(self, mark: Head, due: list[_Due], leaving: list[tuple[str, int]]) -> None:
        try:
            await self._commits.wait(mark.sequence)
            await self._write(mark, due)
            for process, slot in leaving:
                self._let_go(process, slot)
        except EventStoreError as error:  # the log failed: the node takes nothing more, and says so itself
            logger.warning("no process leaves memory", error=str(error))
        finally:
            self._running = None
            self._resume()

    async def _write(self, mark: Head, due: list[_Due]) -> None:
        try:
            modules = sorted(self._world.modules)
            sizes = await self._loop.run_in_executor(self._pool, self._keep, mark, due, modules)
        except SnapshotsUnusable as error:  # what leaves without one is replayed from its last one, or its beginning
            logger.warning("no snapshots were written", error=str(error))
        else:
            self._idle.use(self._path)
            for one, size in zip(due, sizes, strict=True):
                entry = self._world.entries.get(one.snapshot.process)
                if entry is not None:
                    entry.snapshot_slot, entry.snapshot_bytes = one.snapshot.slot, size
        self._mark = mark.sequence

    def _keep(self, mark: Head, due: list[_Due], modules: list[str]) -> list[int]:
        if self._snapshots is None:
            self._snapshots = Snapshots.open(self._path)
        sizes: list[int] = []

        def written() -> Any:
            for one in due:
                begun = thread_time()
                snapshot = one.written()
                sizes.append(len(snapshot.state))
                yield snapshot
                self._hurry.wait(_REST * (thread_time() - begun))

        self._snapshots.keep(mark, written(), modules)
        return sizes

    def _let_go(self, process: str, slot: int) -> None:
        """Drop a process, unless something came for it meanwhile."""
        entry, head = self._world.entries.get(process), self._sequencer.processes.get(process)
        if entry is not None and entry.slot == slot and (head is None or head.slot == slot):
            del self._world.entries[process]
            self._sequencer.processes.pop(process, None)
            self._released(process)
