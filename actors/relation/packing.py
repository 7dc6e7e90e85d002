"""When messages are packed, and how a pack that was interrupted is finished (relation-one-im.md 4.3)."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from actors.node.backlog import Overloaded
from actors.relation.archives import ArchiveFailed, ArchivePlace
from actors.relation.services import Services
from actors.relation.transactions import pack, transaction_id
from actors.runtime.logs import get_logger

INTERVAL_MS = 12 * 3600 * 1000
BYTES_MAX = 100 * 1000 * 1000
LOOK_MS = 1000
"""So often it is looked whether too much waits."""
RETRY_MS = 60_000
_PAGE = 500

logger = get_logger()


class Waiting(NamedTuple):
    """The messages that are not packed yet."""

    messages: int
    bytes: int
    first: int | None
    """When the first of them came, in ms; None if there are none."""


def due_at(waiting: Waiting, *, since: int, interval_ms: int = INTERVAL_MS, bytes_max: int = BYTES_MAX) -> int | None:
    """When the messages are to be packed, in ms; None while there are none.

    Counting begins at ``since``. An interval in which nothing came is followed by the next; at the end of the one in
    which the first message came, they are packed. Over ``bytes_max`` they are at once.

    Args:
        waiting: the messages.
        since: when the last pack was stored, or the archive began, in ms.
        interval_ms: how long an interval is.
        bytes_max: how much may wait.
    """
    if waiting.first is None:
        return None
    if waiting.bytes > bytes_max:
        return waiting.first
    return since + (max(waiting.first - since, 0) // interval_ms + 1) * interval_ms


class Packed(NamedTuple):
    """A transaction that is in the archive."""

    id: str
    messages: int
    bytes: int


class Packer:
    """Packs what is due.

    Args:
        services: whose messages.
        place: where transactions go.
        clock: gives the time in ms.
        interval_ms: see ``due_at``.
        bytes_max: see ``due_at``.
    """

    def __init__(
        self,
        services: Services,
        place: ArchivePlace,
        *,
        clock: Callable[[], int],
        interval_ms: int = INTERVAL_MS,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._calls, self._relation, self._archive = services.calls, services.relation, services.archive
        self._place, self._clock = place, clock
        self._interval_ms, self._bytes_max = interval_ms, bytes_max

    async def run(self) -> None:
        """Pack what is due, when it is, until cancelled."""
        while True:
            pause = LOOK_MS
            try:
                await self.step()
            except (ArchiveFailed, Overloaded) as error:
                logger.error("not packed, trying again", error=str(error))
                pause = RETRY_MS
            await asyncio.sleep(pause / 1000)

    async def due_in(self) -> int | None:
        """In how many ms something is to be packed: 0 for now, None while nothing waits."""
        return self._due_in(*await self._waiting())

    async def step(self) -> Packed | None:
        """Pack what is due, if anything is; and finish what was begun.

        Raises:
            ArchiveFailed: the archive does not take it. It is taken up again the next time.
        """
        state, waiting = await self._waiting()
        return await self._pack(state, waiting) if self._due_in(state, waiting) == 0 else None

    async def pack(self) -> Packed | None:
        """Pack whatever waits, due or not; None if nothing does.

        Raises:
            ArchiveFailed: as ``step``.
        """
        return await self._pack(*await self._waiting())

    async def _waiting(self) -> tuple[dict[str, Any], Waiting]:
        """What the archive knows, and what is not in it."""
        state: dict[str, Any] = await self._calls.ask(self._archive, "getArchive")
        return state, Waiting(**await self._calls.ask(self._relation, "waitingAfter", after=state["packed"] - 1))

    def _due_in(self, state: dict[str, Any], waiting: Waiting) -> int | None:
        if state["pending"]:
            return 0
        due = due_at(waiting, since=state["since"], interval_ms=self._interval_ms, bytes_max=self._bytes_max)
        return None if due is None else max(due - self._clock(), 0)

    async def _pack(self, state: dict[str, Any], waiting: Waiting) -> Packed | None:
        count = state["pending"]
        if not count:
            count = waiting.messages
            if not count:
                return None
            await self._calls.tell(self._archive, "beginPack", count=count)
        messages = await self._messages(state["packed"], count)
        raw = pack(messages, previous=state["newest"], first=state["packed"], key=self._calls.key)
        await self._place.put(raw)
        packed = Packed(transaction_id(raw), len(messages), len(raw))
        await self._calls.tell(self._archive, "stored", id=packed.id)
        logger.info("packed", **packed._asdict())
        return packed

    async def _messages(self, first: int, count: int) -> list[Any]:
        messages: list[Any] = []
        while len(messages) < count:
            limit = min(_PAGE, count - len(messages))
            after = first + len(messages) - 1
            rows = await self._calls.ask(self._relation, "messagesAfter", after=after, limit=limit)
            messages += [row["message"] for row in rows]
        return messages
