"""The messenger unit: accepts signed items."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.ans104.item import item_id, owner_of, parse
from actors.http.ao.lookups import require_process
from actors.http.common.body_limit import ENVELOPE_BYTES_MAX
from actors.http.common.rate_limits import RateLimits
from actors.http.common.responses import client_address, json_response, read_body
from actors.node.append_limits import Charged, charged
from actors.node.node import Node


class MessengerUnit:
    """The routes of a messenger unit.

    Args:
        node: receives the items.
        data_bytes_max: limit of an item's data.
        rate_limits: limits the items of one owner.
    """

    def __init__(self, node: Node, *, data_bytes_max: int, rate_limits: RateLimits) -> None:
        self._node = node
        self._body_bytes_max = data_bytes_max + ENVELOPE_BYTES_MAX
        self._rate_limits = rate_limits

    def routes(self) -> list[Route]:
        """The unit's routes."""
        return [
            Route("/", self.post, methods=["POST"]),
            Route("/monitor/{process}", self.monitor, methods=["POST", "DELETE"]),
        ]

    async def post(self, request: Request) -> Response:
        """Accept a signed item; the response waits until it is durable. With ``assign``, confirm an assignment."""
        if request.scope["query_string"] and "assign" in request.query_params:
            return await self._assign(request)
        message = await self.submit(request)
        return json_response({"message": "Processing DataItem", "id": message}, 202)

    async def submit(self, request: Request) -> str:
        """Submit the item in a request's body. Returns its id once it is durable."""
        raw = await read_body(request, self._body_bytes_max)
        owner = await self._check_owner(raw)
        charged.set(Charged(address=client_address(request)))
        result = await self._node.submit(raw)
        self._rate_limits.count_owner(owner)
        return result.message_id

    async def _check_owner(self, raw: bytes) -> bytes:
        """The owner of an item. Above the owner's limit, only an item that was accepted before passes."""
        try:
            return self._rate_limits.check_owner(raw)
        except HTTPException:
            message = item_id(raw)
            if not self._node.may_contain(message) or await self._node.outcome(message) is None:
                raise
            return owner_of(raw)

    async def monitor(self, request: Request) -> Response:
        """Accept and ignore a request to monitor a process.

        AO's messenger units wake monitored processes that have a schedule. No module of this node has one.
        """
        raw = await read_body(request, self._body_bytes_max)
        process = request.path_params["process"]
        parse(raw).verify()
        await self._node.read(lambda log: require_process(log, process))
        done = "not monitored" if request.method == "DELETE" else "nothing to monitor"
        return json_response({"message": f"{done}: no process of this node has a schedule", "id": process})

    async def _assign(self, request: Request) -> Response:
        """Confirm that a message is assigned to the process that its sender signed it for.

        A message is never assigned to another process: otherwise a third party could replay it there.
        """
        message, process = request.query_params["assign"], request.query_params.get("process-id", "")
        found = await self._node.outcome(message)
        if found is None:
            raise HTTPException(404, f"there is no message {message!r}")
        assignment, _ = found
        if assignment.process != process:
            raise HTTPException(
                403, f"message {message} is signed for process {assignment.process}, and is assigned to no other"
            )
        return json_response({"message": "Processing Assignment", "id": message}, 202)
