"""A node that can crash: it loses every event that is not durable, and restarts from its log."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from actors import Limits, Node, Wallet
from actors.node.log_writer import WritableLog
from actors.runtime.logs import NAME
from eventstore import Assignment, EventStoreError, Head, LogFailed, read_log
from simulations.faults.disk import Disk
from simulations.faults.sqlite_vfs import recorded

LIVE_MAX = 50_000
"""Highest number of live processes in the node: the simulated people need memory, too."""
VERIFIERS_S, _POLL_S = 5.0, 0.01
_CHECKPOINT_ROWS = 40
"""On a simulated disk, the write-ahead log is copied into the log after so many rows, so that faults reach both."""


class StorageLoss(Exception):
    """The storage lost or changed what it had reported as durable, and the world ends. No fault of the node.

    Attributes:
        how: the kind of the end, in one word.
        summary: the same in a sentence.
        crashes: number of crashes until then.
        events: number of events that the node acknowledged until then.
    """

    how: str
    summary: str
    crashes: int = 0
    events: int = 0


class NodeRefused(StorageLoss):
    """The node refused to open, or stopped, because its storage was damaged."""

    how = "refused"
    summary = "the node refused to continue on damaged storage, as it must"


class LostWithoutTrace(StorageLoss):
    """The storage lost acknowledged events and everything that shows it, so no node can notice."""

    how = "lost"
    summary = "the storage lost acknowledged events without a trace, which no node can notice"


class AcknowledgedLost(Exception):
    """The node opened a log from which acknowledged events are missing, although the storage shows that."""


class CrashableNode:
    """Keeps a node open on one log, through its crashes, until the block ends.

    Args:
        path: the log file.
        wallet: key of the node.
        clock: gives the time in ms since the epoch.
        commit_delay_ms: real time by which every commit takes longer.
        live_max: processes in memory. The node then writes snapshots often, also of a short log. 0 for many processes
            and few snapshots.
        disk: a simulated disk under the log. Without one, everything that was written survives a crash.

    Attributes:
        node: the current node; another one after each crash.
        crashes: number of crashes so far.
    """

    def __init__(
        self,
        path: Path,
        *,
        wallet: Wallet,
        clock: Callable[[], int],
        commit_delay_ms: float = 0.0,
        live_max: int = 0,
        disk: Disk | None = None,
    ) -> None:
        self._path = path
        self._wallet = wallet
        self._clock = clock
        self._commit_delay_ms = commit_delay_ms
        self._disk = disk
        self._recording = recorded(path, disk) if disk else nullcontext()
        self._limits = Limits(live_max=LIVE_MAX)
        if live_max or disk:
            self._limits = _small(live_max or LIVE_MAX, trusts_snapshots=disk is None)
        self._stack = AsyncExitStack()
        self._log: CrashingLog | None = None
        self._events_before = 0
        self.node: Node
        self.crashes = 0

    async def __aenter__(self) -> Self:
        logging.getLogger(NAME).addFilter(self._is_unexpected)
        self._recording.__enter__()
        try:
            await self._start(new=True)
        except BaseException:
            self._recording.__exit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._stack.aclose()
        finally:
            self._recording.__exit__(None, None, None)
            logging.getLogger(NAME).removeFilter(self._is_unexpected)

    def crash_after(self, sequence: int | None) -> None:
        """Make the node crash when it writes an event after this sequence; None for no crash."""
        assert self._log is not None
        self._log.crash_after = sequence

    @property
    def has_crashed(self) -> bool:
        """Whether the node has crashed and waits for ``restart``."""
        return self._log is not None and self._log.has_crashed

    @property
    def is_damaged(self) -> bool:
        """Whether the storage lost or changed what it had reported as durable."""
        return self._disk is not None and self._disk.is_damaged

    @property
    def events(self) -> int:
        """Number of events that the node acknowledged so far. Without a simulated disk it is not counted."""
        acknowledged = self._log.acknowledged if self._log is not None else None
        return self._events_before if acknowledged is None else acknowledged.sequence

    async def verifiers_started(self) -> None:
        """Wait until the node verifies signatures in child processes, at most for ``VERIFIERS_S`` of real time."""
        waited_s = 0.0
        while not self.node.load().verifier_pids and waited_s < VERIFIERS_S:
            await asyncio.sleep(_POLL_S)
            waited_s += _POLL_S

    async def restart(self) -> None:
        """Start a new node on the log of the crashed one.

        Raises:
            StorageLoss: the storage is damaged, and the node refused it, or nothing shows that events are missing.
            AcknowledgedLost: the node opened a log from which acknowledged events are missing.
        """
        await self._stack.aclose()
        assert self._log is not None
        acknowledged, self._events_before = self._log.acknowledged, self.events
        if self._disk is not None:
            self._disk.crash()
        self.crashes += 1
        try:
            await self._start(new=False)
        except EventStoreError as error:
            if not self.is_damaged:
                raise
            raise NodeRefused(str(error)) from error
        if self._disk is not None and acknowledged is not None:
            self._check_acknowledged(acknowledged)

    def durable_ids(self, message_ids: Sequence[str]) -> set[str]:
        """The subset of these ids that the log contains."""
        log = read_log(self._path)
        try:
            return log.existing_ids(message_ids)
        finally:
            log.close()

    def _check_acknowledged(self, acknowledged: Head) -> None:
        """Check that the log of the new node contains everything that the old one acknowledged."""
        assert self._disk is not None
        log = read_log(self._path)
        try:
            is_complete, end = log.has_head(acknowledged), log.head().sequence
        finally:
            log.close()
        if not is_complete:
            text = (
                f"events up to {acknowledged.sequence} were acknowledged, and the log, which ends at event {end}, lacks"
                " some of them"
            )
            is_no_fault = self.is_damaged and self._disk.lost_every_trace  # otherwise a sync is missing in the node
            raise LostWithoutTrace(text) if is_no_fault else AcknowledgedLost(text)

    async def _start(self, *, new: bool) -> None:
        self._stack = AsyncExitStack()
        opening = Node.open(
            self._path,
            new=new,
            wallet=self._wallet,
            clock=self._clock,
            wrap_log=self._wrap,
            limits=self._limits,
        )
        self.node = await self._stack.enter_async_context(opening)

    def _wrap(self, log: WritableLog) -> WritableLog:
        checkpoint_wal = partial(_checkpoint_wal, self._path)
        self._log = CrashingLog(
            log, commit_delay_ms=self._commit_delay_ms, disk=self._disk, checkpoint_wal=checkpoint_wal
        )
        return self._log

    def _is_unexpected(self, _: logging.LogRecord) -> bool:
        """A filter that drops log records about a planned crash."""
        return not self.has_crashed


def _small(live_max: int, *, trusts_snapshots: bool) -> Limits:
    """Limits with which a small world has passive processes and snapshots.

    Args:
        live_max: processes in memory.
        trusts_snapshots: restart from snapshots after a crash, as with a long log, without a check of the rest.
    """
    limits = Limits(
        live_max=live_max,
        snapshot_slots_min=2,
        snapshot_events=200,
        snapshot_log_events_min=1,
        verifier_items_min=16,
    )
    if trusts_snapshots:
        return msgspec.structs.replace(limits, recheck_events_max=0, recheck_long_logs=False)
    return limits


class CrashingLog:
    """A log whose writes fail from a given event on, as after a kill of its node. It can also be slow.

    On a simulated disk each row is a transaction of its own. Otherwise the real time would decide which rows share a
    transaction, and so what a crash leaves.

    Attributes:
        crash_after: the last sequence that becomes durable; None for no crash.
        has_crashed: whether a write has failed.
        acknowledged: the end of the log as of the last write that succeeded; None if there was none.
    """

    def __init__(
        self,
        log: WritableLog,
        *,
        commit_delay_ms: float,
        disk: Disk | None = None,
        checkpoint_wal: Callable[[], None],
    ) -> None:
        self._log, self._disk, self._checkpoint_wal = log, disk, checkpoint_wal
        self._commit_delay_s = commit_delay_ms / 1000
        self.crash_after: int | None = None
        self.has_crashed = False
        self.acknowledged: Head | None = None

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """Append a batch up to the crash (``CommitLog.append``).

        Raises:
            LogFailed: the batch goes beyond the crash.
        """
        time.sleep(self._commit_delay_s)
        if self._disk is not None:
            return self._append_each(batch, self._disk, epoch=epoch)
        if self.crash_after is None or batch[-1].sequence <= self.crash_after:
            return self._log.append(batch, expected=expected, epoch=epoch)
        if not self.has_crashed and expected < self.crash_after:
            self._log.append([row for row in batch if row.sequence <= self.crash_after], expected=expected, epoch=epoch)
        self.has_crashed = True
        raise LogFailed("the node crashed")

    def _append_each(self, batch: Sequence[Assignment], disk: Disk, *, epoch: int) -> Head:
        """Append each row in a transaction of its own. The power fails during the first one beyond the crash."""
        for row in batch:
            if self.has_crashed:
                raise LogFailed("the node crashed")
            is_last = self.crash_after is not None and row.sequence > self.crash_after
            if is_last:
                disk.stop_syncing()
            head = self._log.append([row], expected=row.sequence - 1, epoch=epoch)
            if is_last:
                disk.cut_power()
                self.has_crashed = True
                raise LogFailed("the node crashed")
            self.acknowledged = head
            if row.sequence % _CHECKPOINT_ROWS == 0:
                self._checkpoint_wal()
        return head

    def head(self) -> Head:
        """See ``CommitLog.head``."""
        return self._log.head()


def _checkpoint_wal(path: Path) -> None:
    """Copy the write-ahead log into the log, as a busy node does when it is long."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(passive)")
