"""Stage 1, ingress: parse signed items and verify their signatures in batches, in order of arrival."""

import asyncio

from actors.ans104.item import DataItem, ItemForged, mailbox_of, parse
from actors.node.append_limits import UNCHARGED, AppendLimitReached, AppendLimits, Charged
from actors.node.backlog import Backlog
from actors.node.deduplication import Deduplicator
from actors.node.limits import Limits
from actors.node.pending_item import PendingItem
from actors.node.verifier_pool import VerifierPool
from actors.protocol.messages import Result


class Ingress:
    """Accepts items into the backlog and passes the valid ones to the deduplicator.

    Args:
        deduplicator: the next stage.
        backlog: where each item takes a place before it is parsed.
        verifiers: verify signatures outside the event loop.
        append_limits: refuse the items of senders that appended too much; None for no limits.
        limits: of the node.
    """

    def __init__(
        self,
        deduplicator: Deduplicator,
        backlog: Backlog,
        verifiers: VerifierPool,
        append_limits: AppendLimits | None,
        limits: Limits,
    ) -> None:
        self._deduplicator, self._backlog, self._verifiers = deduplicator, backlog, verifiers
        self._append_limits = append_limits
        self._data_bytes_max, self._batch_max = limits.data_bytes_max, limits.verify_batch_max
        self._unverified: list[PendingItem] = []
        self._task: asyncio.Task[None] | None = None

    def submit(self, raw: bytes) -> "asyncio.Future[Result]":
        """Accept an item.

        Returns:
            The future of its result.

        Raises:
            Overloaded: the backlog is full.
            ItemRefused: the item is malformed or too large. A bad signature fails the future.
            AppendLimitReached: the sender appended too much.
        """
        backlog = self._backlog
        backlog.check_room()
        mailbox = mailbox_of(raw)
        backlog.reserve(mailbox)
        try:
            item, charge = parse(raw, data_bytes_max=self._data_bytes_max), UNCHARGED
            if self._append_limits is not None:
                charge = self._append_limits.charge_of(item)
                self._check_limits(charge, item)
        except BaseException:
            backlog.release(mailbox)
            raise
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._unverified.append(PendingItem(item, result, mailbox, charge))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return result

    async def drain(self) -> None:
        """Wait until every accepted item has reached the next stage or was refused."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def _check_limits(self, charge: Charged, item: DataItem) -> None:
        """Refuse the item of a sender that is above a limit, unless it may be a repeated one, which appends nothing.

        If it is new after all, the executor refuses it.
        """
        assert self._append_limits is not None
        try:
            self._append_limits.check(charge, item)
        except AppendLimitReached:
            if not self._deduplicator.may_contain(item.id):
                raise

    async def _run(self) -> None:
        try:
            while self._unverified:
                batch = self._unverified[: self._batch_max]
                del self._unverified[: self._batch_max]
                await self._deduplicator.offer(await self._valid(batch))
        finally:
            self._task = None
            self._deduplicator.flush()

    async def _valid(self, batch: list[PendingItem]) -> list[PendingItem]:
        """The items whose signatures are valid. The others are refused."""
        try:
            verdicts = await self._verifiers.verify([pending.item for pending in batch])
        except Exception as error:  # no sender may wait forever
            self._refuse(batch, error)
            return []
        if not all(verdicts):
            forged = [pending for pending, is_valid in zip(batch, verdicts, strict=True) if not is_valid]
            self._refuse(forged, ItemForged())
            batch = [pending for pending, is_valid in zip(batch, verdicts, strict=True) if is_valid]
        return batch

    def _refuse(self, items: list[PendingItem], error: Exception) -> None:
        for pending in items:
            self._backlog.release(pending.mailbox)
            pending.refuse(error)
