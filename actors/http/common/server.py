"""A node at its addresses, until it is told to stop."""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, NamedTuple

import uvicorn
from starlette.types import ASGIApp

from actors.http.common.connections import GuardedConnection

KEEP_ALIVE_S = 75
STOP_S = 30
BACKLOG = 2048
WEBSOCKET_BYTES_MAX = 64 * 1024
"""What a client may say at once over a WebSocket."""


class Listening(NamedTuple):
    """A socket and what answers there."""

    socket: socket.socket
    unit: str | None = None
    """Which unit answers there; None for all of them."""

    @property
    def url(self) -> str:
        """Where that is."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int, unit: str | None = None) -> Listening:
    """Take an address.

    Args:
        host: to listen at.
        port: 0 for a free one.
        unit: which unit answers there; None for all of them.

    Raises:
        OSError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Listening(socket.create_server((host, port), family=family, backlog=BACKLOG), unit)


class Servers:
    """Applications at their addresses.

    Args:
        places: each address with what answers there.
    """

    def __init__(self, places: Iterable[tuple[Listening, ASGIApp]]) -> None:
        self._places = [(place, _Server(_config(app))) for place, app in places]

    async def run(self) -> None:
        """Answer until ``stop`` is called, and what is in flight then."""
        await asyncio.gather(*(server.serve(sockets=[place.socket]) for place, server in self._places))

    def stop(self) -> None:
        """Take no more requests."""
        for _, server in self._places:
            server.should_exit = True


class _Server(uvicorn.Server):
    """One that leaves signals to whoever runs several."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=GuardedConnection,
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_BYTES_MAX,
        lifespan="off",
        log_level="critical",  # what goes wrong is answered, and the node logs it
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is who is connected
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )
