"""HTTP servers on several sockets that start and stop together."""

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
"""Limit of a message that a client sends over a WebSocket."""


class Listener(NamedTuple):
    """A bound socket and the unit that is served there."""

    socket: socket.socket
    unit: str | None = None
    """The unit's name; None for all units."""

    @property
    def url(self) -> str:
        """The URL of the socket."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int, unit: str | None = None) -> Listener:
    """Bind a socket.

    Args:
        host: the address to listen at.
        port: the port; 0 for a free one.
        unit: the unit to serve there; None for all units.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Listener(socket.create_server((host, port), family=family, backlog=BACKLOG), unit)


class Servers:
    """Serves ASGI applications, each on its socket.

    Args:
        apps: each listener with its application.
    """

    def __init__(self, apps: Iterable[tuple[Listener, ASGIApp]]) -> None:
        self._servers = [(listener, _Server(_config(app))) for listener, app in apps]

    async def run(self) -> None:
        """Serve until ``stop`` is called and the requests in flight are answered."""
        await asyncio.gather(*(server.serve(sockets=[listener.socket]) for listener, server in self._servers))

    def stop(self) -> None:
        """Accept no more requests."""
        for _, server in self._servers:
            server.should_exit = True


class _Server(uvicorn.Server):
    """A server that installs no signal handlers: the command that runs several of them does."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=GuardedConnection,
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_BYTES_MAX,
        lifespan="off",
        log_level="critical",  # errors are in the responses and in the node's own log
        access_log=False,
        server_header=False,
        proxy_headers=False,  # rate limits count the connected address; headers could be forged
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )
