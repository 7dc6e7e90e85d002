"""The compute unit: results of messages, and dryruns."""

from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.evaluation.results import past_results
from actors.http.ao.lookups import parse_limit, require_process, slot_at
from actors.http.ao.wire_format import Cursor, DryRun, result_json
from actors.http.common.page_responses import PageResponses, check_unsent, page_json, take_page
from actors.http.common.responses import decode_body, encode_json, json_response, read_body
from actors.node.node import Node
from actors.protocol.messages import Result
from eventstore import Assignment, LogFile

RESULTS_DEFAULT, RESULTS_MAX = 25, 1000
JSON_FACTOR = 6
"""Most bytes that one byte of data takes in JSON (``\\u0000``)."""


class ComputeUnit:
    """The routes of a compute unit.

    Args:
        node: evaluates the messages.
        pages: makes the pages of results.
        data_bytes_max: limit of a dryrun's data.
    """

    def __init__(self, node: Node, pages: PageResponses, *, data_bytes_max: int) -> None:
        self._node, self._pages = node, pages
        self._body_bytes_max = JSON_FACTOR * data_bytes_max + 64 * 1024

    def routes(self) -> list[Route]:
        """The unit's routes."""
        return [
            Route("/dry-run", self.dry_run, methods=["POST"]),
            Route("/result/{message}", self.result),
            Route("/results/{process}", self.results),
        ]

    async def dry_run(self, request: Request) -> Response:
        """The result of a message against the current state. Nothing is appended to the log."""
        check_unsent()
        body = decode_body(await read_body(request, self._body_bytes_max), DryRun, "a dryrun")
        process = request.query_params.get("process-id") or body.target
        result = await self._node.dryrun(
            process, action=body.action, data=body.data, sender=body.owner, tags=body.other_tags
        )
        return json_response(result_json(result))

    async def result(self, request: Request) -> Response:
        """The result of a message. The response waits until the message is durable."""
        message, process = request.path_params["message"], request.query_params.get("process-id")
        check_unsent()
        found = await self._node.outcome(message)
        if found is None or process not in (None, found[0].process):
            raise HTTPException(
                404, f"there is no message {message!r}" + (f" for process {process!r}" if process else "")
            )
        return json_response(result_json(found[1]))

    async def results(self, request: Request) -> Response:
        """The results of a process's messages, in pages."""
        process, query = request.path_params["process"], request.query_params
        sort = query.get("sort", "ASC").upper()
        if sort not in ("ASC", "DESC"):
            raise HTTPException(400, f"sort is {sort[:16]!r}; it has to be ASC or DESC")
        limit = parse_limit(query.get("limit"), default=RESULTS_DEFAULT, most=RESULTS_MAX)
        after = await self._slot(process, query.get("from"), sort)
        until = await self._slot(process, query.get("to"), sort)
        whole = await self._node.quiescent_sequence()

        def read(log: LogFile) -> Response:
            results = past_results(
                log,
                process,
                after=after,
                until=until,
                limit=limit + 1,
                newest_first=sort == "DESC",
                whole=whole,
            )
            edges, has_more = take_page((_edge(*result, sort) for result in results), limit=limit)
            if not edges:
                require_process(log, process)
            return page_json("pageInfo", {"hasNextPage": has_more}, edges)

        return await self._pages.respond(request, read)

    async def _slot(self, process: str, text: str | None, sort: str) -> int | None:
        """The slot of a cursor, or the last slot of a time in ms in the direction of reading."""
        if not text:
            return None
        if text.isascii() and text.isdigit():
            slot = await self._node.read(partial(slot_at, process=process, timestamp=int(text[:18])))
            return slot + 1 if sort == "DESC" else slot
        try:
            return Cursor.slot_of(text)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None


def _edge(row: Assignment, result: Result, sort: str) -> bytes:
    cursor = Cursor(row.timestamp, str(row.slot), sort=sort).encode()
    return encode_json({"cursor": cursor, "node": result_json(result)})
