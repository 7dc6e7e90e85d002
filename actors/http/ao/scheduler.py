"""The scheduler unit: signed assignments, which state the order of each process's messages."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.ans104.item import parse
from actors.ao.assignments import EPOCH, Scheduled, Scheduler
from actors.http.ao.lookups import parse_limit, require_process, slot_at
from actors.http.ao.wire_format import item_json
from actors.http.common.page_responses import PageResponses, page_json, take_page
from actors.http.common.responses import encode_json, json_response
from actors.node.node import Node
from eventstore import LogFile

PAGE_DEFAULT, PAGE_MAX = 100, 1000
_TIMESTAMP_MIN = 10**11
"""A number from here on is a time in ms (1973 and later); a smaller one is a nonce."""


class SchedulerUnit:
    """The routes of a scheduler unit.

    Args:
        node: holds the assignments and the key that signs them.
        pages: makes the responses.
        submit: submits the item in a request's body and returns its id.
    """

    def __init__(self, node: Node, pages: PageResponses, submit: Callable[[Request], Awaitable[str]]) -> None:
        self._node, self._pages = node, pages
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

        def read(log: LogFile) -> Response:
            process = request.path_params["process"]
            require_process(log, process)
            first = self._assignment(log, process, 0)
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

        return await self._pages.respond(request, read)

    async def latest(self, request: Request) -> Response:
        """The newest message of a process."""
        process, end = request.path_params["process"], self._node.sequence

        def read(log: LogFile) -> Response:
            head = log.process_head(process, until=end)
            if head is None:
                raise HTTPException(404, f"there is no process {process!r}")
            return json_response(_scheduled_json(self._assignment(log, process, head.slot)))

        return await self._pages.respond(request, read)

    async def page_or_message(self, request: Request) -> Response:
        """A page of a process's history; for a message's id, or with ``process-id``, that message."""
        id_, query = request.path_params["id"], request.query_params

        def read(log: LogFile) -> Response:
            found = log.find(id_)
            if found is None or query.get("process-id") not in (None, found.process):
                raise HTTPException(404, f"there is neither a process nor a message {id_!r}")
            if found.process != id_ or "process-id" in query:
                return json_response(_scheduled_json(self._assignment(log, found.process, found.slot)))
            return self._page(log, id_, query.get("from"), query.get("to"), query.get("limit"))

        return await self._pages.respond(request, read)

    def _page(self, log: LogFile, process: str, after: str | None, until: str | None, limit: str | None) -> Response:
        """A page of a history. ``after`` and ``until`` are nonces (the cursors of a page) or times in ms."""
        low = _slot(log, process, after, "from") + 1 if after else 0
        high = _slot(log, process, until, "to") if until else None
        count = parse_limit(limit, default=PAGE_DEFAULT, most=PAGE_MAX)
        if high is not None:
            count = max(min(count, high - low + 1), 0)
        edges = map(_edge, self._scheduled(log, process, from_slot=low, limit=count)) if count else ()
        page, _ = take_page(edges, limit=count)
        last = low + len(page) - 1
        more = log.sequence_of(process, last + 1) is not None
        return page_json("page_info", {"has_next_page": more and (high is None or last < high)}, page)

    def _assignment(self, log: LogFile, process: str, slot: int) -> Scheduled:
        return next(self._scheduled(log, process, from_slot=slot, limit=1))

    def _scheduled(self, log: LogFile, process: str, *, from_slot: int, limit: int) -> Iterator[Scheduled]:
        if self._scheduler is None:
            raise HTTPException(
                503, "this node does not have the key that began its log, so it cannot sign assignments"
            )
        return self._scheduler.page(log, process, from_slot=from_slot, limit=limit)


def _slot(log: LogFile, process: str, text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(400, f"{name} is {text[:32]!r}; it has to be a nonce or a time in ms")
    number = int(text)
    return number if number < _TIMESTAMP_MIN else slot_at(log, process, number)


def _edge(scheduled: Scheduled) -> bytes:
    return encode_json({"cursor": str(scheduled.row.slot), "node": _scheduled_json(scheduled)})


def _scheduled_json(scheduled: Scheduled) -> dict[str, Any]:
    message = parse(scheduled.message, data_bytes_max=len(scheduled.message))
    return {
        "message": item_json(message, scheduled.row.message.id),
        "assignment": item_json(parse(scheduled.assignment)),
    }
