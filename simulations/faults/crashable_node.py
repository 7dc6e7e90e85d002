"""A node that may die: what was not durable is gone, and it starts again from its log."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from actors import Node, Wallet
from actors.node.limits import Limits
from actors.node.log_writer import WritableLog
from actors.runtime.logs import NAME
from eventstore import Assignment, Head, LogFailed, read_log

LIVE_MAX = 50_000
"""Processes of the node that live at one time: its people take memory too."""


class CrashableNode:
    """Keeps a node on one log, through its deaths, until the block ends.

    Attributes:
        node: the one that lives now.
        crashes: how many died.
    """

    def __init__(self, path: Path, *, wallet: Wallet, clock: Callable[[], int], slow_disk_ms: float = 0.0) -> None:
        self._path = path
        self._wallet = wallet
        self._clock = clock
        self._slow_disk_ms = slow_disk_ms
        self._stack = AsyncExitStack()
        self._disk: CrashingLog | None = None
        self.node: Node
        self.crashes = 0

    async def __aenter__(self) -> Self:
        logging.getLogger(NAME).addFilter(self._worth_saying)
        await self._start(new=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        logging.getLogger(NAME).removeFilter(self._worth_saying)

    def die_at(self, sequence: int | None) -> None:
        """Let nothing after a sequence become durable."""
        assert self._disk is not None
        self._disk.dies_at = sequence

    @property
    def is_dead(self) -> bool:
        """Whether the node wanted to write what was not to become durable."""
        return self._disk is not None and self._disk.is_dead

    async def restart(self) -> None:
        """Bring a dead node back."""
        await self._stack.aclose()
        self.crashes += 1
        await self._start(new=False)

    def durable(self, message_ids: Sequence[str]) -> set[str]:
        """Those of some messages that the log holds."""
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
            wrap_log=self._mortal,
            limits=Limits(live_max=LIVE_MAX),
        )
        self.node = await self._stack.enter_async_context(opening)

    def _mortal(self, log: WritableLog) -> WritableLog:
        self._disk = CrashingLog(log, slower_ms=self._slow_disk_ms)
        return self._disk

    def _worth_saying(self, _: logging.LogRecord) -> bool:
        """Nobody is told that a node fails that was to die."""
        return not self.is_dead


class CrashingLog:
    """A log that stops taking what is written, as it stops for a node that is killed, and may be slow.

    Attributes:
        dies_at: the last sequence that becomes durable; None for as long as it lives on.
        is_dead: whether somebody wrote further.
    """

    def __init__(self, log: WritableLog, *, slower_ms: float) -> None:
        self._log = log
        self._slower_s = slower_ms / 1000
        self.dies_at: int | None = None
        self.is_dead = False

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """See ``CommitLog.append``."""
        time.sleep(self._slower_s)
        if self.dies_at is None or batch[-1].sequence <= self.dies_at:
            return self._log.append(batch, expected=expected, epoch=epoch)
        if not self.is_dead and expected < self.dies_at:
            self._log.append([row for row in batch if row.sequence <= self.dies_at], expected=expected, epoch=epoch)
        self.is_dead = True
        raise LogFailed("the node died")

    def head(self) -> Head:
        """See ``CommitLog.head``."""
        return self._log.head()
