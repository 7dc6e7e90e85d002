"""A way to the node: a socket of this machine, or HTTP."""

import asyncio
from typing import Protocol

from simulations.load.socket_transport import Answered, SocketLine


class NotServed(Exception):
    """Nothing at an address answers as a node does; says why."""


class Line(Protocol):
    """Where items go in and what comes of them comes out."""

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Future[Answered]":
        """Send an item; the future is done when the node says what came of it."""

    async def close(self) -> None:
        """Hang up."""


async def open_line(address: str) -> Line:
    """A line to a node at a socket's path or a URL."""
    if not is_url(address):
        return await SocketLine.open(address)
    from simulations.load.http_transport import HttpLine  # who does not need it starts sooner

    return await HttpLine.open(address)


def is_url(address: str) -> bool:
    """Whether an address is one of HTTP's."""
    return address.startswith(("http://", "https://"))
