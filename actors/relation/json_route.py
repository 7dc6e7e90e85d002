"""Routes that accept only the JSON which processes accept."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from actors.protocol.canonical_json import decode


class JsonRoute(APIRoute):
    """A route that refuses a body with 422 unless it is JSON by the node's own parser.

    Python's parser, which FastAPI uses, also accepts lone surrogates and NaN. Neither can be written as JSON again.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route (FastAPI)."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json


class _JsonRequest(Request):
    async def json(self) -> Any:
        try:
            return decode(await self.body())
        except ValueError as error:
            raise HTTPException(422, f"body: {error}, in UTF-8 and without lone surrogates") from None
