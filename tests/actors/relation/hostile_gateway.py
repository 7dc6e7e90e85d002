"""A gateway on loopback that does what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.http.common.server import Servers, listen

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
    listener = listen("127.0.0.1", 0)
    app = Starlette(routes=[Route("/{path:path}", gateway.respond, methods=["GET", "POST"])])
    servers = Servers([(listener, app)])
    running = asyncio.create_task(servers.run())
    gateway.url = listener.url
    try:
        yield gateway
    finally:
        servers.stop()
        await running
        listener.socket.close()
