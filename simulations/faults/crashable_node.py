"""A node that can crash: it loses every event that is not durable, and restarts from its log."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from actors import Limits, Node, Wallet
from actors.node.log_writer import WritableLog
from actors.runtime.logs import NAME
from eventstore import Assignment, Head, LogFailed, read_log

LIVE_MAX = 50_000
"""Highest number of live processes in the node: the simulated people need memory, too."""


class CrashableNode:
    """Keeps a node open on one log, through its crashes, until the block ends.

    Args:
        path: the log file.
        wallet: key of the node.
        clock: gives the time in ms since the epoch.
        commit_delay_ms: real time by which every commit takes longer.
        live_max: processes in memory. The node then writes snapshots often, also of a short log. 0 for many processes
            and few snapshots.

    Attributes:
        node: the current node; another one after each crash.
        crashes: number of crashes so far.
    """

    def __init__(
        self, path: Path, *, wallet: Wallet, clock: Callable[[], int], commit_delay_ms: float = 0.0, live_max: int = 0
    ) -> None:
        self._path = path
        self._wallet = wallet
        self._clock = clock
        self._commit_delay_ms = commit_delay_ms
        self._limits = _small(live_max) if live_max else Limits(live_max=LIVE_MAX)
        self._stack = AsyncExitStack()
        self._log: CrashingLog | None = None
        self.node: Node
        self.crashes = 0

    async def __aenter__(self) -> Self:
        logging.getLogger(NAME).addFilter(self._is_unexpected)
        await self._start(new=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        logging.getLogger(NAME).removeFilter(self._is_unexpected)

    def crash_after(self, sequence: int | None) -> None:
        """Make the node crash when it writes an event after this sequence; None for no crash."""
        assert self._log is not None
        self._log.crash_after = sequence

    @property
    def has_crashed(self) -> bool:
        """Whether the node has crashed and waits for ``restart``."""
        return self._log is not None and self._log.has_crashed

    async def restart(self) -> None:
        """Start a new node on the log of the crashed one."""
        await self._stack.aclose()
        self.crashes += 1
        await self._start(new=False)

    def durable_ids(self, message_ids: Sequence[str]) -> set[str]:
        """The subset of these ids that the log contains."""
        log = read_log(self._path)
        try:
            return log.existing_ids(message_ids)
        finally:
            log.close()

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
        self._log = CrashingLog(log, commit_delay_ms=self._commit_delay_ms)
        return self._log

    def _is_unexpected(self, _: logging.LogRecord) -> bool:
        """A filter that drops log records about a planned crash."""
        return not self.has_crashed


def _small(live_max: int) -> Limits:
    """Limits with which a small world has passive processes, snapshots, and restarts from snapshots."""
    return Limits(live_max=live_max, snapshot_slots_min=2, snapshot_events=200, snapshot_log_events_min=1)


class CrashingLog:
    """A log whose writes fail from a given event on, as after a kill of its node. It can also be slow.

    Attributes:
        crash_after: the last sequence that becomes durable; None for no crash.
        has_crashed: whether a write has failed.
    """

    def __init__(self, log: WritableLog, *, commit_delay_ms: float) -> None:
        self._log = log
        self._commit_delay_s = commit_delay_ms / 1000
        self.crash_after: int | None = None
        self.has_crashed = False

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """Append a batch up to the crash (``CommitLog.append``).

        Raises:
            LogFailed: the batch goes beyond the crash.
        """
        time.sleep(self._commit_delay_s)
        if self.crash_after is None or batch[-1].sequence <= self.crash_after:
            return self._log.append(batch, expected=expected, epoch=epoch)
        if not self.has_crashed and expected < self.crash_after:
            self._log.append([row for row in batch if row.sequence <= self.crash_after], expected=expected, epoch=epoch)
        self.has_crashed = True
        raise LogFailed("the node crashed")

    def head(self) -> Head:
        """See ``CommitLog.head``."""
        return self._log.head()
