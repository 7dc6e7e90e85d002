"""The messenger unit: takes signed items."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.ans104.item import parse
from actors.http.ao.lookups import existing
from actors.http.common.rate_limits import Rates
from actors.http.common.responses import answer, body_of
from actors.node.node import Node

ENVELOPE_BYTES_MAX = 8 * 1024
"""What an item may have beside its data: the longest key, signature and tags."""


class Messenger:
    """The routes of a messenger unit.

    Args:
        node: takes the items.
        data_bytes_max: limit of an item's data.
        rates: limits how often an owner is heard.
    """

    def __init__(self, node: Node, *, data_bytes_max: int, rates: Rates) -> None:
        self._node = node
        self._body_bytes_max = data_bytes_max + ENVELOPE_BYTES_MAX
        self._rates = rates

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/", self.post, methods=["POST"]),
            Route("/monitor/{process}", self.monitor, methods=["POST", "DELETE"]),
        ]

    async def post(self, request: Request) -> Response:
        """A signed item: answered when it is durable. With ``assign``, the assignment of one that there is."""
        if request.scope["query_string"] and "assign" in request.query_params:
            return await self._assign(request)
        message = await self.take(request)
        return answer({"message": "Processing DataItem", "id": message}, 202)

    async def take(self, request: Request) -> str:
        """Send the item in a request's body; gives its id when it is durable."""
        raw = await body_of(request, self._body_bytes_max)
        owner = self._rates.check_owner(raw)
        result = await self._node.submit(raw)
        self._rates.count_owner(owner)
        return result.message_id

    async def monitor(self, request: Request) -> Response:
        """A process that wakes itself is what AO's messenger looks after. None of the modules here does."""
        raw = await body_of(request, self._body_bytes_max)
        process = request.path_params["process"]
        parse(raw).verify()
        await existing(self._node, process)
        done = "not monitored" if request.method == "DELETE" else "nothing to monitor"
        return answer({"message": f"{done}: no process of this node has a schedule", "id": process})

    async def _assign(self, request: Request) -> Response:
        """A message stands in the log once, for the process that its sender signed it for: to hand it to another one
        would let anybody turn what was said to the one against the other.
        """
        message, process = request.query_params["assign"], request.query_params.get("process-id", "")
        found = await self._node.outcome(message)
        if found is None:
            raise HTTPException(404, f"there is no message {message!r}")
        assigned, _ = found
        if assigned.process != process:
            raise HTTPException(
                403, f"message {message} is signed for process {assigned.process}, and is assigned to no other"
            )
        return answer({"message": "Processing Assignment", "id": message}, 202)
