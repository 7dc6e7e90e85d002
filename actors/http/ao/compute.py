"""The compute unit: says what messages gave, and what one would give."""

from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.evaluation.results import past_results
from actors.http.ao.lookups import existing, limit_of, slot_at
from actors.http.ao.wire_format import Cursor, DryRun, result_words
from actors.http.common.responses import answer, body_of
from actors.node.node import Node

RESULTS_DEFAULT, RESULTS_MAX = 25, 1000
JSON_FACTOR = 6
"""A byte of data may be so many in JSON."""
_dry_run = msgspec.json.Decoder(DryRun).decode


class Compute:
    """The routes of a compute unit.

    Args:
        node: evaluates.
        data_bytes_max: limit of a dryrun's data.
    """

    def __init__(self, node: Node, *, data_bytes_max: int) -> None:
        self._node = node
        self._body_bytes_max = JSON_FACTOR * data_bytes_max + 64 * 1024

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/dry-run", self.dry_run, methods=["POST"]),
            Route("/result/{message}", self.result),
            Route("/results/{process}", self.results),
        ]

    async def dry_run(self, request: Request) -> Response:
        """What a message would give now."""
        try:
            asked = _dry_run(await body_of(request, self._body_bytes_max))
        except msgspec.MsgspecError as error:
            raise HTTPException(400, f"this is no dryrun: {error}") from None
        process = request.query_params.get("process-id") or asked.target
        result = await self._node.dryrun(
            process, action=asked.action, data=asked.data, sender=asked.owner, tags=asked.others
        )
        return answer(result_words(result))

    async def result(self, request: Request) -> Response:
        """What a message gave: waits until that is durable."""
        message, process = request.path_params["message"], request.query_params.get("process-id")
        found = await self._node.outcome(message)
        if found is None or process not in (None, found[0].process):
            raise HTTPException(
                404, f"there is no message {message!r}" + (f" for process {process!r}" if process else "")
            )
        return answer(result_words(found[1]))

    async def results(self, request: Request) -> Response:
        """What the messages of a process gave, page by page."""
        process, query = request.path_params["process"], request.query_params
        sort = query.get("sort", "ASC").upper()
        if sort not in ("ASC", "DESC"):
            raise HTTPException(400, f"sort is {sort[:16]!r}; it has to be ASC or DESC")
        limit = limit_of(query.get("limit"), default=RESULTS_DEFAULT, most=RESULTS_MAX)
        after = await self._place(process, query.get("from"))
        until = await self._place(process, query.get("to"))
        reading = partial(
            past_results,
            process=process,
            after=after,
            until=until,
            limit=limit + 1,
            newest_first=sort == "DESC",
            whole=await self._node.quiescent_sequence(),
        )
        rows = await self._node.read(reading)
        if not rows:
            await existing(self._node, process)
        edges = [
            {"cursor": Cursor(row.timestamp, str(row.slot), sort=sort).text(), "node": result_words(result)}
            for row, result in rows[:limit]
        ]
        return answer({"pageInfo": {"hasNextPage": len(rows) > limit}, "edges": edges})

    async def _place(self, process: str, text: str | None) -> int | None:
        """The slot that a cursor, or a time in ms, stands for."""
        if not text:
            return None
        if text.isascii() and text.isdigit():
            return await self._node.read(partial(slot_at, process=process, timestamp=int(text[:18])))
        try:
            return Cursor.slot_of(text)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
