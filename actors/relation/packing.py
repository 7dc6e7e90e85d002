"""Packs messages into archive transactions when they are due; finishes interrupted packs (relation-one-im.md 4.3)."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from actors.node.backlog import Overloaded
from actors.node.clock_guard import ClockUnreliable
from actors.relation.archives import ArchiveFailed, ArchiveStore
from actors.relation.services import Services
from actors.relation.transactions import pack, transaction_id
from actors.runtime.logs import get_logger

INTERVAL_MS = 12 * 3600 * 1000
BYTES_MAX = 100 * 1000 * 1000
LOOK_MS = 1000
"""Interval between checks whether a pack is due."""
RETRY_MS = 60_000
_PAGE = 500

logger = get_logger()


class Waiting(NamedTuple):
    """The messages that are not packed yet."""

    messages: int
    bytes: int
    first: int | None
    """When the first of them was assigned, in ms; None if there are none."""


def due_at(waiting: Waiting, *, since: int, interval_ms: int = INTERVAL_MS, bytes_max: int = BYTES_MAX) -> int | None:
    """The time in ms at which the waiting messages are due to be packed; None if there are none.

    Intervals follow one another from ``since`` on. The messages are due at the end of the interval in which the first
    of them was assigned, or at once if they exceed ``bytes_max``.

    Args:
        waiting: the messages that wait.
        since: when the last pack was stored, or the archive began, in ms.
        interval_ms: length of an interval.
        bytes_max: bytes above which messages are due at once.
    """
    if waiting.first is None:
        return None
    if waiting.bytes > bytes_max:
        return waiting.first
    return since + (max(waiting.first - since, 0) // interval_ms + 1) * interval_ms


class Packed(NamedTuple):
    """What was stored in the archive."""

    id: str
    """The newest transaction."""
    messages: int
    bytes: int
    transactions: int


class Packer:
    """Packs the messages of a node's services into an archive.

    Args:
        services: the services whose messages are packed.
        store: the archive.
        clock: returns the time in ms.
        interval_ms: length of an interval (``due_at``).
        bytes_max: bytes above which messages are due at once (``due_at``), and limit of the messages of a transaction.
    """

    def __init__(
        self,
        services: Services,
        store: ArchiveStore,
        *,
        clock: Callable[[], int],
        interval_ms: int = INTERVAL_MS,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._calls, self._relation, self._archive = services.calls, services.relation, services.archive
        self._store, self._clock = store, clock
        self._interval_ms, self._bytes_max = interval_ms, bytes_max

    async def run(self) -> None:
        """Pack messages whenever they are due, until cancelled."""
        while True:
            pause = LOOK_MS
            try:
                await self.step()
            except (ArchiveFailed, ClockUnreliable, Overloaded) as error:
                logger.error("packing failed, retrying", error=str(error), retry_ms=RETRY_MS)
                pause = RETRY_MS
            await asyncio.sleep(pause / 1000)

    async def step(self) -> Packed | None:
        """Finish an interrupted pack, or pack the messages if they are due.

        Raises:
            ArchiveFailed: the archive cannot store the transaction. The next step tries it again.
        """
        state, waiting = await self._waiting()
        return await self._pack(state, waiting) if self._is_due(state, waiting) else None

    async def pack(self) -> Packed | None:
        """Pack all messages that wait, due or not; None if there are none.

        Raises:
            ArchiveFailed: as ``step``.
        """
        return await self._pack(*await self._waiting())

    async def _waiting(self) -> tuple[dict[str, Any], Waiting]:
        """The archive process's state, and the messages that are not packed."""
        state: dict[str, Any] = await self._calls.ask(self._archive, "getArchive")
        return state, Waiting(**await self._calls.ask(self._relation, "waitingAfter", after=state["packed"] - 1))

    def _is_due(self, state: dict[str, Any], waiting: Waiting) -> bool:
        """Whether messages are due, or a pack was interrupted."""
        if state["pending"]:
            return True
        due = due_at(waiting, since=state["since"], interval_ms=self._interval_ms, bytes_max=self._bytes_max)
        return due is not None and due <= self._clock()

    async def _pack(self, state: dict[str, Any], waiting: Waiting) -> Packed | None:
        """Finish the pack that was interrupted, or else pack all messages that wait, in as few transactions as fit."""
        if not state["pending"] and not waiting.messages:
            return None
        first, newest = state["packed"], state["newest"]
        end = first + (state["pending"] or waiting.messages)
        size = transactions = 0
        while first < end:
            count = state["pending"] if not transactions else 0
            if not count:
                count = await self._count_that_fits(first, end)
                await self._calls.tell(self._archive, "beginPack", count=count)
            messages = await self._messages(first, count)
            raw = pack(messages, previous=newest, first=first, key=self._calls.key)
            await self._store.put(raw)
            newest = transaction_id(raw)
            await self._calls.tell(self._archive, "stored", id=newest)
            first, size, transactions = first + count, size + len(raw), transactions + 1
        packed = Packed(newest, end - state["packed"], size, transactions)
        logger.info("packed", **packed._asdict())
        return packed

    async def _count_that_fits(self, first: int, end: int) -> int:
        """Number of messages from a place on, before another, that a transaction may have; at least 1."""
        low, high = first + 1, end
        total = await self._bytes_from(first)
        while low < high:
            middle = (low + high + 1) // 2
            if total - await self._bytes_from(middle) <= self._bytes_max:
                low = middle
            else:
                high = middle - 1
        return low - first

    async def _bytes_from(self, place: int) -> int:
        """Size of all messages from a place on."""
        waiting = Waiting(**await self._calls.ask(self._relation, "waitingAfter", after=place - 1))
        return waiting.bytes

    async def _messages(self, first: int, count: int) -> list[Any]:
        messages: list[Any] = []
        while len(messages) < count:
            limit = min(_PAGE, count - len(messages))
            after = first + len(messages) - 1
            rows = await self._calls.ask(self._relation, "messagesAfter", after=after, limit=limit)
            messages += [row["message"] for row in rows]
        return messages
