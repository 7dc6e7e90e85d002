"""Stage 2, deduplication: a message id that was seen before returns its first result."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from actors.node.backlog import Backlog
from actors.node.fair_queue import FairQueue
from actors.node.id_filter import IdFilter
from actors.node.limits import Limits
from actors.node.pending_item import PendingItem
from actors.protocol.messages import Result

Recall = Callable[[Sequence[str]], Awaitable[dict[str, Result]]]


class Deduplicator:
    """Passes each new item to the fair queue, and answers repeated ones from memory or from the log.

    Args:
        fair_queue: the next stage.
        backlog: where an answered item returns its place.
        ids: tells which messages may be in the log, so that new messages need no lookup.
        recall: gives the results of those of the given ids that the log contains.
        recall_durable: waits until an assigned message and all that it caused are durable, and gives its result from
            the log.
        limits: of the node.
    """

    def __init__(
        self,
        fair_queue: FairQueue,
        backlog: Backlog,
        ids: IdFilter,
        *,
        recall: Recall,
        recall_durable: Callable[[str], Coroutine[Any, Any, Result]],
        limits: Limits,
    ) -> None:
        self._fair_queue, self._backlog, self._ids = fair_queue, backlog, ids
        self._recall, self._recall_durable = recall, recall_durable
        self._recent_max, self._older_max = limits.recent_results_max, limits.recent_ids_max
        self._recent: OrderedDict[str, PendingItem] = OrderedDict()
        self._older: OrderedDict[str, None] = OrderedDict()
        """Ids of messages that were in ``_recent``. A lookup in the log that began too early misses some of them."""
        self._recalling: set[asyncio.Task[None]] = set()

    async def offer(self, batch: list[PendingItem]) -> None:
        """Take verified items, in order."""
        ids = [pending.item.id for pending in batch if self._ids.may_contain(pending.item.id)]
        recalled: dict[str, Result] = {}
        if ids:
            try:
                recalled = await self._recall(ids)
            except Exception as error:  # the log cannot be read: no sender may wait forever
                for pending in batch:
                    self._backlog.release(pending.mailbox)
                    pending.refuse(error)
                return
        for pending in batch:
            self._offer(pending, recalled.get(pending.item.id))

    def flush(self) -> None:
        """Tell the next stage that no accepted item is on its way to it."""
        self._fair_queue.flush()

    def may_contain(self, message_id: str) -> bool:
        """Whether a message may have been offered before. It may also be true of a few that were not."""
        return self._ids.may_contain(message_id)

    def repeat(self, message_id: str, result: "asyncio.Future[Result]") -> bool:
        """Give a future the result that the first sender of a message got or will get.

        Returns:
            Whether the message is remembered here. If not, the future is left alone.
        """
        first = self._recent.get(message_id)
        if first is not None and first.refusal is not None:
            del self._recent[message_id]
            first = None
        if first is not None:
            self._follow(first, result)
            return True
        if message_id in self._older:
            self._recall_into(message_id, result)
            return True
        return False

    def _offer(self, pending: PendingItem, recalled: Result | None) -> None:
        message_id, result = pending.item.id, pending.result
        if result.done():  # the sender went away before the item was assigned
            self._backlog.release(pending.mailbox)
        elif recalled is None and not self.repeat(message_id, result):
            self._remember(pending)
            self._ids.add(message_id)
            self._fair_queue.add(pending)
        else:
            self._backlog.release(pending.mailbox)
            if recalled is not None and not self.repeat(message_id, result):
                result.set_result(recalled)

    def _remember(self, pending: PendingItem) -> None:
        self._recent[pending.item.id] = pending
        for _ in range(2):  # evict up to two per new item, so that the map shrinks again after an overload
            if len(self._recent) > self._recent_max:
                self._forget_oldest()
        while len(self._older) > self._older_max:
            self._older.popitem(last=False)

    def _forget_oldest(self) -> None:
        oldest = next(iter(self._recent.values()))
        if oldest.refusal is not None:
            self._recent.popitem(last=False)
        elif oldest.is_assigned and oldest.result.done():
            self._recent.popitem(last=False)
            self._older[oldest.item.id] = None

    def _follow(self, first: PendingItem, result: "asyncio.Future[Result]") -> None:
        """Give a repeated item the outcome of the first one, when that has one."""
        if result.done():
            return
        if not first.result.done():
            first.result.add_done_callback(lambda _: self._follow(first, result))
        elif not first.result.cancelled():
            error = first.result.exception()
            if error is None:
                result.set_result(first.result.result())
            else:
                result.set_exception(error)
        elif first.refusal is not None:  # its sender went away before it was refused
            result.set_exception(first.refusal)
        elif first.is_assigned:  # its sender went away; the message itself continues
            self._recall_into(first.item.id, result)
        else:  # the item still waits, and from now on for this sender
            first.result = result

    def _recall_into(self, message_id: str, result: "asyncio.Future[Result]") -> None:
        task = asyncio.get_running_loop().create_task(self._resolve_from_log(message_id, result))
        self._recalling.add(task)
        task.add_done_callback(self._recalling.discard)

    async def _resolve_from_log(self, message_id: str, result: "asyncio.Future[Result]") -> None:
        try:
            recalled = await self._recall_durable(message_id)
        except Exception as error:  # anything may prevent the lookup: the sender must learn of it
            if not result.done():
                result.set_exception(error)
        else:
            if not result.done():
                result.set_result(recalled)
