"""HTTP connections that cost little, whoever is at the other end."""

import asyncio
from typing import Any, cast

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from actors.http.common.responses import encode_json

HEAD_BYTES_MAX = 32 * 1024
"""A request's line and headers."""
REQUEST_S = 30.0
"""In so many seconds a request has to be here, its body too; and a new connection's first one."""
ANSWER_S = 30.0
"""For so many seconds a client may take nothing of its answer."""
_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection, with an end to what a client may send before it is heard, and to how long that may take."""

    _head_bytes = 0
    _is_receiving = False
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._received()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        super().data_received(data)
        if self._is_receiving and self._late is None:  # most requests are here as a whole, and need no timer
            self._expect()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``: more is written than the client takes."""
        super().pause_writing()
        self._stuck = self.loop.call_later(ANSWER_S, self.transport.abort)

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._taken()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """See ``httptools``."""
        super().on_message_begin()
        self._head_bytes = 0
        self._is_receiving = True

    def on_url(self, url: bytes) -> None:
        """See ``httptools``."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See ``httptools``."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See ``httptools``."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # else this asks for a WebSocket
            self.cycle.transport = cast(asyncio.Transport, _Answer(self.cycle, self.transport))

    def on_message_complete(self) -> None:
        """See ``httptools``."""
        self._is_receiving = False
        self._received()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is none."""
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(431, f"the request's headers are larger than {HEAD_BYTES_MAX:,} bytes")
        else:
            self._refuse(400, "this is no HTTP request")

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > HEAD_BYTES_MAX:
            raise HttpParserError

    def _expect(self) -> None:
        self._late = self.loop.call_later(REQUEST_S, self._too_late)

    def _received(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _taken(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _too_late(self) -> None:
        self._late = None
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self._refuse(408, f"the request was not here within {REQUEST_S:.0f} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, text: str) -> None:
        body: Any = encode_json({"error": text})
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        head += f"Access-Control-Allow-Origin: *\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Answer:
    """What uvicorn writes one answer to. The head waits for the body: one call of the system for both."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle: RequestResponseCycle | None = cycle  # until the head is written: they hold each other
        self._head = b""
        self._transport = transport

    def write(self, data: bytes) -> None:
        """See ``asyncio.WriteTransport``."""
        cycle = self._cycle
        if cycle is not None and cycle.response_started:
            if not self._head and cycle.expected_content_length and cycle.scope["method"] != "HEAD":
                self._head = data
                return
            data, self._head, self._cycle = self._head + data, b"", None
        self._transport.write(data)

    def is_closing(self) -> bool:
        """See ``asyncio.BaseTransport``."""
        return self._transport.is_closing()

    def close(self) -> None:
        """See ``asyncio.BaseTransport``."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()
