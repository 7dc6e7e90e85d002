"""The scheduler unit: the order of each process's messages, signed."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.ans104.item import parse
from actors.ao.assignments import EPOCH, Scheduled, Scheduler
from actors.http.ao.lookups import existing, limit_of, slot_at
from actors.http.ao.wire_format import item_words
from actors.http.common.responses import answer
from actors.node.node import Node

PAGE_DEFAULT, PAGE_MAX = 100, 1000
_TIMES_FROM = 10**11
"""A number from here on is a time in ms (1973 and later), below it a nonce."""


class SchedulerFace:
    """The routes of a scheduler unit.

    Args:
        node: schedules.
        take: sends the item in a request's body, and gives its id.
    """

    def __init__(self, node: Node, take: Callable[[Request], Awaitable[str]]) -> None:
        self._node = node
        self._take = take
        self._scheduler = Scheduler(node.key) if node.key is not None else None

    def routes(self) -> list[Route]:
        """What it answers. The last takes every other name for an id."""
        return [
            Route("/", self.post, methods=["POST"]),
            Route("/processes/{process}", self.process),
            Route("/timestamp", self.timestamp),
            Route("/{process}/latest", self.latest),
            Route("/{id}", self.page_or_message),
        ]

    async def post(self, request: Request) -> Response:
        """A signed item, where the scheduler has an address of its own: answered when it is durable."""
        found = await self._node.outcome(await self._take(request))
        assert found is not None
        return answer({"id": found[0].message.id, "timestamp": found[0].timestamp}, 201)

    async def timestamp(self, request: Request) -> Response:
        """The log's time, and its length in place of a block height."""
        return answer({"timestamp": self._node.timestamp, "block_height": self._node.sequence})

    async def process(self, request: Request) -> Response:
        """How a process began."""
        [first] = await self._page(request.path_params["process"], from_slot=0, limit=1)
        message = item_words(parse(first.message, data_bytes_max=len(first.message)), first.row.message.id)
        return answer(
            {
                **message,
                "process_id": first.row.process,
                "block": str(first.row.sequence),
                "timestamp": first.row.timestamp,
                "epoch": int(EPOCH),
                "nonce": 0,
                "hash_chain": first.hash_chain,
                **_words(first),
            }
        )

    async def latest(self, request: Request) -> Response:
        """The newest message of a process."""
        process = request.path_params["process"]
        head = await self._node.read(lambda log: log.process_head(process, until=self._node.sequence))
        if head is None:
            raise HTTPException(404, f"there is no process {process!r}")
        [newest] = await self._page(process, from_slot=head.slot, limit=1)
        return answer(_words(newest))

    async def page_or_message(self, request: Request) -> Response:
        """Of a process's id a page of its history; of a message's, or where ``process-id`` is named, that message."""
        id_, query = request.path_params["id"], request.query_params
        found = await self._node.read(lambda log: log.find(id_))
        if found is None or query.get("process-id") not in (None, found.process):
            raise HTTPException(404, f"there is neither a process nor a message {id_!r}")
        if found.process != id_ or "process-id" in query:
            [scheduled] = await self._page(found.process, from_slot=found.slot, limit=1)
            return answer(_words(scheduled))
        return answer(await self._page_words(id_, query.get("from"), query.get("to"), query.get("limit")))

    async def _page_words(self, process: str, after: str | None, until: str | None, limit: str | None) -> Any:
        """``after`` and ``until`` are nonces, the cursors of a page, or times in ms."""
        low = await self._slot(process, after, "from") + 1 if after else 0
        high = await self._slot(process, until, "to") if until else None
        count = limit_of(limit, default=PAGE_DEFAULT, most=PAGE_MAX)
        if high is not None:
            count = max(min(count, high - low + 1), 0)
        rows = await self._page(process, from_slot=low, limit=count) if count else []
        last = rows[-1].row.slot if rows else low - 1
        more = await self._node.read(lambda log: log.sequence_of(process, last + 1)) is not None
        edges = [{"cursor": str(row.row.slot), "node": _words(row)} for row in rows]
        return {"page_info": {"has_next_page": more and (high is None or last < high)}, "edges": edges}

    async def _slot(self, process: str, text: str, name: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise HTTPException(400, f"{name} is {text[:32]!r}; it has to be a nonce or a time in ms")
        number = int(text)
        if number < _TIMES_FROM:
            return number
        return await self._node.read(partial(slot_at, process=process, timestamp=number))

    async def _page(self, process: str, *, from_slot: int, limit: int) -> list[Scheduled]:
        await existing(self._node, process)
        if self._scheduler is None:
            raise HTTPException(
                503, "this node does not have the key that began its log, so it cannot sign what it schedules"
            )
        return await self._node.read(partial(self._scheduler.page, process=process, from_slot=from_slot, limit=limit))


def _words(scheduled: Scheduled) -> dict[str, Any]:
    message = parse(scheduled.message, data_bytes_max=len(scheduled.message))
    return {
        "message": item_words(message, scheduled.row.message.id),
        "assignment": item_words(parse(scheduled.assignment)),
    }
