"""Serves an application of a test on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from actors.http.common.server import Servers, listen


@asynccontextmanager
async def loopback(app: ASGIApp, *, port: int = 0) -> AsyncIterator[str]:
    """Serve until the block ends. Yields the URL. Responses that never end are cut then."""
    listener = listen("127.0.0.1", port)
    servers = Servers([(listener, app)])
    running = asyncio.create_task(servers.run())
    try:
        yield listener.url
    finally:
        servers.stop()
        await running
        listener.socket.close()
