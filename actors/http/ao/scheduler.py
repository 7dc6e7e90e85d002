"""The scheduler unit: signed assignments, which state the order of each process's messages."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.ans104.item import parse
from actors.ao.assignments import EPOCH, Scheduled, Scheduler
from actors.http.ao.lookups import first_assignment, parse_limit, slot_at
from actors.http.ao.wire_format import item_json
from actors.http.common.responses import json_response
from actors.node.node import Node

PAGE_DEFAULT, PAGE_MAX = 100, 1000
_TIMESTAMP_MIN = 10**11
"""A number from here on is a time in ms (1973 and later); a smaller one is a nonce."""


class SchedulerUnit:
    """The routes of a scheduler unit.

    Args:
        node: holds the assignments and the key that signs them.
        submit: submits the item in a request's body and returns its id.
    """

    def __init__(self, node: Node, submit: Callable[[Request], Awaitable[str]]) -> None:
        self._node = node
        self._submit = submit
        self._scheduler = Scheduler(node.key) if node.key is not None else None

    def routes(self) -> list[Route]:
        """The unit's routes. The last matches any name, so the scheduler's routes come after all others."""
        return [
            Route("/", self.post, methods=["POST"]),
            Route("/processes/{process}", self.process),
            Route("/timestamp", self.timestamp),
            Route("/{process}/latest", self.latest),
            Route("/{id}", self.page_or_message),
        ]

    async def post(self, request: Request) -> Response:
        """Accept a signed item; used if the scheduler has a port of its own. The response waits until it is durable."""
        found = await self._node.outcome(await self._submit(request))
        assert found is not None
        return json_response({"id": found[0].message.id, "timestamp": found[0].timestamp}, 201)

    async def timestamp(self, request: Request) -> Response:
        """The log's newest timestamp, and its length as the block height."""
        return json_response({"timestamp": self._node.timestamp, "block_height": self._node.sequence})

    async def process(self, request: Request) -> Response:
        """The message that started a process, with its assignment."""
        [first] = await self._page(request.path_params["process"], from_slot=0, limit=1)
        message = item_json(parse(first.message, data_bytes_max=len(first.message)), first.row.message.id)
        return json_response(
            {
                **message,
                "process_id": first.row.process,
                "block": str(first.row.sequence),
                "timestamp": first.row.timestamp,
                "epoch": int(EPOCH),
                "nonce": 0,
                "hash_chain": first.hash_chain,
                **_scheduled_json(first),
            }
        )

    async def latest(self, request: Request) -> Response:
        """The newest message of a process."""
        process = request.path_params["process"]
        head = await self._node.read(lambda log: log.process_head(process, until=self._node.sequence))
        if head is None:
            raise HTTPException(404, f"there is no process {process!r}")
        [newest] = await self._page(process, from_slot=head.slot, limit=1)
        return json_response(_scheduled_json(newest))

    async def page_or_message(self, request: Request) -> Response:
        """A page of a process's history; for a message's id, or with ``process-id``, that message."""
        id_, query = request.path_params["id"], request.query_params
        found = await self._node.read(lambda log: log.find(id_))
        if found is None or query.get("process-id") not in (None, found.process):
            raise HTTPException(404, f"there is neither a process nor a message {id_!r}")
        if found.process != id_ or "process-id" in query:
            [scheduled] = await self._page(found.process, from_slot=found.slot, limit=1)
            return json_response(_scheduled_json(scheduled))
        return json_response(await self._page_json(id_, query.get("from"), query.get("to"), query.get("limit")))

    async def _page_json(self, process: str, after: str | None, until: str | None, limit: str | None) -> Any:
        """A page of a history. ``after`` and ``until`` are nonces (the cursors of a page) or times in ms."""
        low = await self._slot(process, after, "from") + 1 if after else 0
        high = await self._slot(process, until, "to") if until else None
        count = parse_limit(limit, default=PAGE_DEFAULT, most=PAGE_MAX)
        if high is not None:
            count = max(min(count, high - low + 1), 0)
        rows = await self._page(process, from_slot=low, limit=count) if count else []
        last = rows[-1].row.slot if rows else low - 1
        more = await self._node.read(lambda log: log.sequence_of(process, last + 1)) is not None
        edges = [{"cursor": str(row.row.slot), "node": _scheduled_json(row)} for row in rows]
        return {"page_info": {"has_next_page": more and (high is None or last < high)}, "edges": edges}

    async def _slot(self, process: str, text: str, name: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise HTTPException(400, f"{name} is {text[:32]!r}; it has to be a nonce or a time in ms")
        number = int(text)
        if number < _TIMESTAMP_MIN:
            return number
        return await self._node.read(partial(slot_at, process=process, timestamp=number))

    async def _page(self, process: str, *, from_slot: int, limit: int) -> list[Scheduled]:
        await first_assignment(self._node, process)
        if self._scheduler is None:
            raise HTTPException(
                503, "this node does not have the key that began its log, so it cannot sign assignments"
            )
        return await self._node.read(partial(self._scheduler.page, process=process, from_slot=from_slot, limit=limit))


def _scheduled_json(scheduled: Scheduled) -> dict[str, Any]:
    message = parse(scheduled.message, data_bytes_max=len(scheduled.message))
    return {
        "message": item_json(message, scheduled.row.message.id),
        "assignment": item_json(parse(scheduled.assignment)),
    }
