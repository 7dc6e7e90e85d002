"""A gateway on loopback that does what a test tells it to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.actors.http.loopback import loopback

Handler = Callable[[Request], Awaitable[Response]]


class HostileGateway:
    """Attributes:
    url: the gateway's URL.
    requests: path of each request.
    """

    def __init__(self, handler: Handler) -> None:
        self.url = ""
        self.requests: list[str] = []
        self._handler = handler

    async def respond(self, request: Request) -> Response:
        self.requests.append(request.url.path)
        return await self._handler(request)


@asynccontextmanager
async def hostile_gateway(handler: Handler) -> AsyncIterator[HostileGateway]:
    """Serve until the block ends. Responses that never end are cut then."""
    gateway = HostileGateway(handler)
    app = Starlette(routes=[Route("/{path:path}", gateway.respond, methods=["GET", "POST"])])
    async with loopback(app) as gateway.url:
        yield gateway
