"""``CommitLog`` in memory: nothing survives the process."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from eventstore.commit_log import Head, Lease, check_batch
from eventstore.errors import LogFailed, StaleEpoch
from eventstore.records import Assignment
from eventstore.sequencer import GENESIS_CHAIN


class MemoryCommitLog:
    """A list of assignments, with the checks of a real commit log."""

    def __init__(self) -> None:
        self._assignments: list[Assignment] = []
        self._epoch = 0
        self._is_closed = False
        self._appended = asyncio.Event()
        """Set by the next append, and then replaced."""

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """See ``CommitLog.append``."""
        if self._is_closed:
            raise LogFailed("the log is closed")
        if epoch != self._epoch or not self._epoch:
            raise StaleEpoch(epoch=epoch, current=self._epoch)
        check_batch(batch, expected=expected, found=len(self._assignments))
        ids = [assignment.message.id for assignment in batch]
        if len({*ids}) < len(ids) or not {row.message.id for row in self._assignments}.isdisjoint(ids):
            raise LogFailed("a message with this id is there already")
        self._assignments = [*self._assignments, *batch]  # a new list: readers continue on the old one
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()
        return self.head()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Assignment]:
        """See ``CommitLog.read``."""
        return iter(self._assignments[after:until])

    async def follow(self, *, after: int = 0) -> AsyncIterator[Sequence[Assignment]]:
        """See ``CommitLog.follow``."""
        while True:
            appended = self._appended
            if batch := self._assignments[after:]:
                after = batch[-1].sequence
                yield batch
            else:
                await appended.wait()

    def head(self) -> Head:
        """See ``CommitLog.head``."""
        return Head.at(self._assignments[-1]) if self._assignments else Head(0, GENESIS_CHAIN)

    def take_lease(self, holder: str) -> Lease:
        """See ``CommitLog.take_lease``."""
        self._epoch += 1
        return Lease(self._epoch, holder, ttl_s=None)

    def renew(self, lease: Lease) -> Lease:
        """See ``CommitLog.renew``."""
        if lease.epoch != self._epoch:
            raise StaleEpoch(epoch=lease.epoch, current=self._epoch)
        return lease

    def close(self) -> None:
        """See ``CommitLog.close``."""
        self._is_closed = True
