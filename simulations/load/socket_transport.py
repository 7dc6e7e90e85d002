"""A transport over a local socket: length-prefixed MessagePack frames."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

from simulations.load.transport import FAILED, Reply

LENGTH_BYTES = 4


class Request(msgspec.Struct, array_like=True, gc=False):
    """A signed item for the node."""

    number: int
    raw: bytes
    answer: bool
    """Whether the reply should contain the result's output."""


class Frames(asyncio.Protocol):
    """Encodes and decodes frames. All frames written in one iteration of the event loop leave in one system call.

    Args:
        kind: type of the frames that arrive.
        take: called with each frame that arrives.
        lost: called when the connection ends.
    """

    def __init__(self, kind: type, take: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._decode: Callable[[bytearray], Any] = msgspec.msgpack.Decoder(kind).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._take = take
        self._lost = lost
        self._unread = bytearray()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to (``asyncio.Protocol``)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Decode the frames that are complete (``asyncio.Protocol``)."""
        unread = self._unread
        unread += data
        start = 0
        while len(unread) - start >= LENGTH_BYTES:
            stop = start + LENGTH_BYTES + int.from_bytes(unread[start : start + LENGTH_BYTES], "little")
            if len(unread) < stop:
                break
            self._take(self._decode(unread[start + LENGTH_BYTES : stop]))
            start = stop
        del unread[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection (``asyncio.Protocol``)."""
        self._transport = None
        self._lost()

    def write(self, frame: Any) -> None:
        """Send a frame."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        encoded = self._encode(frame)
        self._unsent += (len(encoded).to_bytes(LENGTH_BYTES, "little"), encoded)

    def close(self) -> None:
        """Flush the frames that are queued, and close the connection."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._unsent and self._transport is not None:
            self._transport.write(b"".join(self._unsent))
        self._unsent = []


class SocketTransport:
    """The client's side of a connection to the node."""

    def __init__(self) -> None:
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._frames = Frames(Reply, self._reply, self._lost)

    @classmethod
    async def open(cls, path: str) -> "SocketTransport":
        """Connect to the node's socket."""
        transport = cls()
        await asyncio.get_running_loop().create_unix_connection(lambda: transport._frames, path)
        return transport

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Future[Reply]":
        """Send an item; the future completes with the node's reply."""
        self._numbers += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[self._numbers] = future
        self._frames.write(Request(self._numbers, raw, answer))
        return future

    async def close(self) -> None:
        """Close the connection."""
        self._frames.close()

    def _reply(self, reply: Reply) -> None:
        future = self._waiting.pop(reply.number)
        if not future.done():
            future.set_result(reply)

    def _lost(self) -> None:
        for number, future in self._waiting.items():
            if not future.done():
                future.set_result(Reply(number, FAILED, "the node closed the connection"))
        self._waiting.clear()
