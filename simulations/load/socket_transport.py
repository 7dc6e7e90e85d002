"""How load reaches the node: length-prefixed MessagePack frames on a socket of this machine."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

LENGTH_BYTES = 4
ACCEPTED, REFUSED, ITEM_REFUSED, OVERLOADED, FAILED = "", "refused", "item refused", "overloaded", "failed"
RATE_LIMITED = "rate limited"
"""What came of an item: it was evaluated, it was but refused, or it is not in the log, and why."""


class Asked(msgspec.Struct, array_like=True, gc=False):
    """An item on its way to the node."""

    number: int
    raw: bytes
    answer: bool
    """Whether its answer is wanted; else only what came of it."""


class Answered(msgspec.Struct, array_like=True, gc=False):
    """What came of an item."""

    number: int
    kind: str
    """One of the constants above."""
    text: str
    """The answer, or why there is none."""


class Frames(asyncio.Protocol):
    """Frames out and in. What is written in one turn of the event loop leaves in one piece."""

    def __init__(self, kind: type, take: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._decode: Callable[[bytearray], Any] = msgspec.msgpack.Decoder(kind).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._take = take
        self._lost = lost
        self._unread = bytearray()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
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
        """See ``asyncio.Protocol``."""
        self._transport = None
        self._lost()

    def write(self, frame: Any) -> None:
        """Send a frame."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        encoded = self._encode(frame)
        self._unsent += (len(encoded).to_bytes(LENGTH_BYTES, "little"), encoded)

    def close(self) -> None:
        """Send what is left, and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._unsent and self._transport is not None:
            self._transport.write(b"".join(self._unsent))
        self._unsent = []


class SocketLine:
    """A client's end of a connection to the node."""

    def __init__(self) -> None:
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._frames = Frames(Answered, self._answered, self._lost)

    @classmethod
    async def open(cls, path: str) -> "SocketLine":
        """Connect to the node's socket."""
        line = cls()
        await asyncio.get_running_loop().create_unix_connection(lambda: line._frames, path)
        return line

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Future[Answered]":
        """Send an item; the future is done when the node says what came of it."""
        self._numbers += 1
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[self._numbers] = future
        self._frames.write(Asked(self._numbers, raw, answer))
        return future

    async def close(self) -> None:
        """Hang up."""
        self._frames.close()

    def _answered(self, answered: Answered) -> None:
        future = self._waiting.pop(answered.number)
        if not future.done():
            future.set_result(answered)

    def _lost(self) -> None:
        for number, future in self._waiting.items():
            if not future.done():
                future.set_result(Answered(number, FAILED, "the node hung up"))
        self._waiting.clear()
