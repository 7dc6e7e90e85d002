"""The door's first half: signatures are verified in batches beside the event loop, in the order in which items came."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple

from actors.ans104.item import DataItem, ItemForged, verify_all
from actors.node.verifier_pool import Verifiers
from actors.protocol.messages import Result
from actors.runtime.child_process import cores

BATCH_MAX = 1024
"""Items verified together; the next batch gathers meanwhile."""
_ITEMS_PER_TASK_MIN = 16
"""Below this a second thread costs more than it saves."""
CROWD = 256
"""Items of larger batches after which child processes are worth their start. From then on they verify everything: a
thread would wait for the interpreter lock."""


class PendingItem(NamedTuple):
    """An item at the door, and who waits for its result."""

    item: DataItem
    result: asyncio.Future[Result]
    mailbox: bytes
    """Whose message it is, for those who count them."""


class Ingress:
    """Holds what arrived until it is verified.

    Args:
        pool: where signatures are verified and the log is asked for items that it knows already.
        may_hold: whether the log may hold a message. Called on the event loop, for every item.
        recall: results of those of the given message ids that the log holds. Called in the pool.
        admit: called on the event loop for every item, in order of arrival, with its result if the log knows it
            already, and what is wrong with it, if something is.
        emptied: called when nothing is in the door any more.
    """

    def __init__(
        self,
        pool: Executor,
        may_hold: Callable[[str], bool],
        recall: Callable[[list[str]], dict[str, Result]],
        admit: Callable[[PendingItem, Result | None, Exception | None], None],
        emptied: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._may_hold = may_hold
        self._recall = recall
        self._admit = admit
        self._emptied = emptied
        self._waiting: list[PendingItem] = []
        self._pump: asyncio.Task[None] | None = None
        self._cores = cores()
        self._verifiers = Verifiers()
        self._crowded = 0

    def add(self, arrival: PendingItem) -> None:
        """Take an item in."""
        self._waiting.append(arrival)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._run())

    async def drained(self) -> None:
        """Wait until nothing is in the door."""
        while self._pump is not None:
            await asyncio.wait([self._pump])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                try:
                    await self._pass(batch)
                except Exception as error:  # the log could not be asked: nobody is left waiting for an answer
                    for arrival in batch:
                        self._admit(arrival, None, error)
        finally:
            self._pump = None
            self._emptied()

    @property
    def empty(self) -> bool:
        """Whether nothing is in the door."""
        return self._pump is None

    async def close(self) -> None:
        """Let go of what helps to verify. Nothing may be in the door."""
        await self._verifiers.close()

    async def _pass(self, batch: list[PendingItem]) -> None:
        items = [arrival.item for arrival in batch]
        recalling = self._recall_some([item.id for item in items if self._may_hold(item.id)])
        verdicts = await self._verify(items)
        recalled = await recalling if recalling is not None else {}
        for arrival, is_valid in zip(batch, verdicts, strict=True):
            self._admit(arrival, recalled.get(arrival.item.id), None if is_valid else ItemForged())

    def _recall_some(self, message_ids: list[str]) -> "asyncio.Future[dict[str, Result]] | None":
        if not message_ids:
            return None
        return asyncio.get_running_loop().run_in_executor(self._pool, self._recall, message_ids)

    async def _verify(self, items: list[DataItem]) -> list[bool]:
        if len(items) >= _ITEMS_PER_TASK_MIN:
            self._crowded += len(items)
            if self._crowded >= CROWD:
                self._verifiers.start()
        if self._verifiers.ready and (answered := await self._verifiers.verify(items)) is not None:
            return answered
        size = max(_ITEMS_PER_TASK_MIN, -(-len(items) // self._cores))
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        run = asyncio.get_running_loop().run_in_executor
        return [
            one for part in await asyncio.gather(*(run(self._pool, verify_all, part) for part in parts)) for one in part
        ]
