"""HTTP connections that cost little, whoever is at the other end."""

import asyncio
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from actors.faces.replies import encode_json

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
        if self._late is None:
            self._expect()

    def on_url(self, url: bytes) -> None:
        """See ``httptools``."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See ``httptools``."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        """See ``httptools``."""
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
