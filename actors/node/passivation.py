"""Passivation: which processes are in memory, and which are restored from snapshots and the log."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from heapq import nsmallest
from time import thread_time
from typing import Any, NamedTuple

import msgspec

from actors.evaluation.passive_processes import PassiveProcesses
from actors.evaluation.process_table import Entry, ProcessTable
from actors.evaluation.state_codec import canonical_state
from actors.node.group_commit import GroupCommit
from actors.node.limits import Limits
from actors.runtime.logs import get_logger
from eventstore import EventStoreError, Head, Sequencer
from eventstore.snapshots import Snapshot, SnapshotStore, SnapshotsUnusable

_TICKS = 4
"""Idleness is measured in quarters of ``Limits.idle_s``."""

logger = get_logger()


class _DueSnapshot(NamedTuple):
    """A snapshot to be written. States are immutable, so a thread may encode one while the process continues."""

    snapshot: Snapshot
    state: Any

    def encoded(self) -> Snapshot:
        return msgspec.structs.replace(self.snapshot, state=canonical_state(self.state))


class Passivation:
    """Evicts the processes that are idle longest, and writes snapshots.

    It looks at the processes only between two external messages, when everything that was assigned is evaluated. It
    writes what it saw once that is durable, so no snapshot is ever ahead of the log.

    Args:
        processes: the live processes.
        sequencer: knows the end of each live process's history.
        group_commit: knows what is durable.
        passive: restores processes that are not live.
        open_snapshots: opens the snapshot store for writing. It is called when there is something to write.
        watermark: sequence up to which snapshots were written before.
        pool: where snapshots are written.
        limits: of the node.

    Attributes:
        live_max: processes that may be live at a time.
        on_evict: called with each evicted process.
        on_done: called when an eviction is complete, and when processes may have become idle.
    """

    def __init__(
        self,
        processes: ProcessTable,
        sequencer: Sequencer,
        group_commit: GroupCommit,
        passive: PassiveProcesses,
        open_snapshots: Callable[[], SnapshotStore],
        *,
        watermark: int,
        pool: ThreadPoolExecutor,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self.live_max = limits.live_max
        self._live_low, self._live_high = limits.live_max * 3 // 4, limits.live_max * 7 // 8
        self._processes, self._sequencer, self._group_commit = processes, sequencer, group_commit
        self._passive, self._open_snapshots = passive, open_snapshots
        self._watermark, self._pool = watermark, pool
        self.on_evict: Callable[[str], None] = _ignore
        self.on_done: Callable[[], None] = _ignore
        self._snapshots: SnapshotStore | None = None
        self._running: asyncio.Task[None] | None = None
        self._hurry = threading.Event()
        """Set while the node waits for the end of an eviction: the snapshot thread then does not rest."""
        self._is_closing = False
        self._loop = asyncio.get_running_loop()
        self._ticks = deque([0], maxlen=_TICKS + 1)
        """The log's sequence at each of the last ticks."""
        self._tick_s = limits.idle_s / _TICKS
        self._looked_since_tick = True
        self._timer = self._loop.call_later(self._tick_s, self._tick)

    @property
    def is_running(self) -> bool:
        """Whether an eviction, or a round of snapshots, is under way."""
        return self._running is not None

    def has_room(self) -> bool:
        """Start an eviction if one is due. Call between two external messages.

        Returns:
            Whether another message may be assigned. If not, ``on_done`` follows.
        """
        live = len(self._processes.entries)
        if self._running is None and not self._is_closing:
            snapshots_are_due = self._sequencer.sequence - self._watermark >= self._limits.snapshot_events
            if snapshots_are_due or live > self._live_high or not self._looked_since_tick:
                self._looked_since_tick = True
                leaving = self._idlest(live)
                if snapshots_are_due or leaving:
                    self._hurry.clear()
                    self._running = self._loop.create_task(self._run(self._now(), self._due(), leaving))
        if self._running is None or live <= self.live_max:
            return True
        self._hurry.set()
        return False

    async def done(self) -> None:
        """Wait until no eviction is running."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def close(self) -> None:
        """Write the last snapshots of a drained node, and close every file."""
        self._timer.cancel()
        self._is_closing = True
        self._hurry.set()
        await self.done()
        is_long = self._sequencer.sequence >= self._limits.snapshot_log_events_min
        if self._group_commit.failure is None and is_long:
            await self._write(self._now(), self._due())
        self._passive.close()
        if self._snapshots is not None:
            self._snapshots.close()

    def evict_idle(self) -> None:
        """Another quarter of the idle time has passed: evict what was idle for all of it."""
        self._ticks.append(self._sequencer.sequence)
        self._looked_since_tick = False
        self.on_done()  # so that an idle node evicts, too

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        self.evict_idle()

    def _now(self) -> Head:
        return Head(self._sequencer.sequence, self._sequencer.log_chain)

    def _idlest(self, live: int) -> list[tuple[str, int]]:
        """Processes to evict, with their slots: those that are idle too long, and enough to make room."""
        entries = self._processes.entries
        idle_since = self._ticks[0] if len(self._ticks) > _TICKS else 0
        leaving = [(process, entry.slot) for process, entry in entries.items() if entry.sequence <= idle_since]
        surplus = live - self._live_low if live > self._live_high else 0
        if len(leaving) < surplus:
            oldest = nsmallest(surplus, entries, key=lambda process: entries[process].sequence)
            leaving = [(process, entries[process].slot) for process in oldest]
        return leaving

    def _due(self) -> list[_DueSnapshot]:
        """Snapshots that are worth writing."""
        slots_min, bytes_per_slot = self._limits.snapshot_slots_min, self._limits.snapshot_bytes_per_slot
        return [
            self._due_snapshot(process, entry)
            for process, entry in self._processes.entries.items()
            if entry.slot - entry.snapshot_slot >= max(slots_min, entry.snapshot_bytes // bytes_per_slot)
        ]

    def _due_snapshot(self, process: str, entry: Entry) -> _DueSnapshot:
        head = self._sequencer.head(process)
        assert head is not None
        assert head.slot == entry.slot  # between two external messages everything is evaluated
        place = (process, entry.slot, entry.sequence, entry.module, entry.owner, head.assignment_id)
        return _DueSnapshot(Snapshot(*place, b""), entry.process.state if entry.process else None)

    async def _run(self, watermark: Head, due: list[_DueSnapshot], leaving: list[tuple[str, int]]) -> None:
        try:
            await self._group_commit.wait(watermark.sequence)
            await self._write(watermark, due)
            for process, slot in leaving:
                self._evict(process, slot)
        except EventStoreError as error:  # the log failed; the node reports it
            logger.warning("no process leaves memory", error=str(error))
        finally:
            self._running = None
            self.on_done()

    async def _write(self, watermark: Head, due: list[_DueSnapshot]) -> None:
        try:
            modules = sorted(self._processes.modules)
            refused = sorted(self._passive.refused)
            sizes = await self._loop.run_in_executor(self._pool, self._store, watermark, due, modules, refused)
        except SnapshotsUnusable as error:  # evicted processes are then replayed from an older snapshot or from slot 0
            logger.warning("no snapshots were written", error=str(error))
        else:
            self._passive.refused.difference_update(refused)
            self._passive.snapshots_exist()
            for one, size in zip(due, sizes, strict=True):
                entry = self._processes.entries.get(one.snapshot.process)
                if entry is not None:
                    entry.snapshot_slot, entry.snapshot_bytes = one.snapshot.slot, size
        self._watermark = watermark.sequence

    def _store(self, watermark: Head, due: list[_DueSnapshot], modules: list[str], refused: list[str]) -> list[int]:
        """Write snapshots, in the pool. Returns the bytes of each state."""
        if self._snapshots is None:
            self._snapshots = self._open_snapshots()
        sizes: list[int] = []

        def encoded() -> Any:
            for one in due:
                begun = thread_time()
                snapshot = one.encoded()
                sizes.append(len(snapshot.state))
                yield snapshot
                self._hurry.wait(self._limits.snapshot_rest_factor * (thread_time() - begun))

        self._snapshots.store(watermark, encoded(), modules, discarded=refused)
        return sizes

    def _evict(self, process: str, slot: int) -> None:
        """Remove a process from memory, unless it received a message since it was chosen."""
        entry, head = self._processes.entries.get(process), self._sequencer.processes.get(process)
        if entry is not None and entry.slot == slot and (head is None or head.slot == slot):
            del self._processes.entries[process]
            self._sequencer.processes.pop(process, None)
            self.on_evict(process)


def _ignore(*_: object) -> None:
    """The default of a callback that nothing has set yet."""
