"""HTTP connections with limits, so that slow and hostile clients cost little."""

import asyncio
import select
from typing import Any, cast

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from actors.http.common.responses import encode_json

HEADERS_BYTES_MAX = 32 * 1024
"""Limit of a request's URL and headers."""
REQUEST_TIMEOUT_S = 30.0
"""Time in which a request has to arrive completely. For the first request it starts with the connection."""
RESPONSE_TIMEOUT_S = 30.0
"""Time in which a client has to take what it was sent, apart from what the kernel buffers."""
STOP_RESPONSE_TIMEOUT_S = 2.0
"""The same, once the server stops."""
HANGUP_CHECK_S = 0.25
"""Interval of the check for a disconnect while a pipelined request waits. The connection is not read then."""
_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


_unread: set["GuardedConnection"] = set()
"""The connections of this process whose clients leave a part of their response unread."""


def unsent_bytes() -> int:
    """Bytes of responses that wait in this process until their clients read."""
    return sum(connection.transport.get_write_buffer_size() for connection in _unread)


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection with a limit on the size of headers and with timeouts for reading and writing.

    A pipelined request starts when the client has read the response before, so a connection holds one response at most.
    """

    _headers_bytes = 0
    _is_receiving = False
    _request_timer: asyncio.TimerHandle | None = None
    _response_timer: asyncio.TimerHandle | None = None
    _hangup_timer: asyncio.TimerHandle | None = None
    _is_stopping = False
    _running: RequestResponseCycle | None = None
    """The request that started last. uvicorn's ``cycle`` is the request that arrived last."""
    _next_request: tuple[RequestResponseCycle, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first request (``asyncio.Protocol``)."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # every unread byte starts the timeout and counts as unread
        self._start_request_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and end the request that runs and those that wait (``asyncio.Protocol``)."""
        self._stop_request_timer()
        self._stop_response_timer()
        if self._hangup_timer is not None:
            self._hangup_timer.cancel()
        self._next_request = None
        self.pipeline.clear()
        if self._running is not None:
            self._running.disconnected = not self._running.response_complete
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; start the timeout if a request is incomplete (``asyncio.Protocol``)."""
        super().data_received(data)
        if self._is_receiving and self._request_timer is None:  # most requests arrive whole and need no timer
            self._start_request_timer()

    def pause_writing(self) -> None:
        """Start the timeout of a client that does not read (``asyncio.Protocol``)."""
        super().pause_writing()
        _unread.add(self)
        self._start_response_timer()

    def resume_writing(self) -> None:
        """Stop the timeout of a client that reads again (``asyncio.Protocol``)."""
        self._stop_response_timer()
        super().resume_writing()
        if self._next_request is not None:
            request, self._next_request = self._next_request, None
            self._start_request(*request)

    def shutdown(self) -> None:
        """End the connection after its current response (``uvicorn.Server``)."""
        self._is_stopping = True
        super().shutdown()
        if self._response_timer is not None:
            self._response_timer.cancel()
            self._start_response_timer()

    def on_message_begin(self) -> None:
        """Begin a request (``httptools``)."""
        super().on_message_begin()
        self._headers_bytes = 0
        self._is_receiving = True

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL (``httptools``)."""
        self._count_header_bytes(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header (``httptools``)."""
        self._count_header_bytes(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the handler, with a writer that sends headers and body together (``httptools``)."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # otherwise the request opens a WebSocket
            self.cycle.transport = cast(asyncio.Transport, _ResponseWriter(self.cycle, self.transport))
            if self.pipeline and self._hangup_timer is None:
                self._hangup_timer = self.loop.call_later(HANGUP_CHECK_S, self._check_hangup)

    def on_message_complete(self) -> None:
        """Stop the timeout: the request is complete (``httptools``)."""
        self._is_receiving = False
        self._stop_request_timer()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Open a WebSocket, unless an earlier request still has no whole response (``uvicorn``)."""
        running = self._running
        if self.flow.write_paused or (running is not None and not running.response_complete):
            self.transport.close()
        else:
            self.transport.set_write_buffer_limits()  # the WebSocket's protocol has no timeout of this class
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Reject a request that cannot be parsed or has too large headers."""
        if self._headers_bytes > HEADERS_BYTES_MAX:
            self._reject(431, f"the request's headers are larger than {HEADERS_BYTES_MAX:,} bytes")
        else:
            self._reject(400, "this is not an HTTP request")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request, or hold it back until the client has read the response before (``uvicorn``)."""
        if self.flow.write_paused:
            self._next_request = (cycle, app)
        else:
            self._start_request(cycle, app)

    def _start_request(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _count_header_bytes(self, length: int) -> None:
        self._headers_bytes += length
        if self._headers_bytes > HEADERS_BYTES_MAX:
            raise HttpParserError

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(REQUEST_TIMEOUT_S, self._on_request_timeout)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _start_response_timer(self) -> None:
        timeout_s = STOP_RESPONSE_TIMEOUT_S if self._is_stopping else RESPONSE_TIMEOUT_S
        self._response_timer = self.loop.call_later(timeout_s, self.transport.abort)

    def _stop_response_timer(self) -> None:
        _unread.discard(self)
        if self._response_timer is not None:
            self._response_timer.cancel()
            self._response_timer = None

    def _check_hangup(self) -> None:
        """Close the connection if the client did: while the connection is not read, only the socket shows it."""
        self._hangup_timer = None
        if self.pipeline or self._next_request is not None:
            if _is_hung_up(self.transport.get_extra_info("socket").fileno()):
                self.transport.close()
            else:
                self._hangup_timer = self.loop.call_later(HANGUP_CHECK_S, self._check_hangup)

    def _on_request_timeout(self) -> None:
        self._request_timer = None
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self._reject(408, f"the request did not arrive within {REQUEST_TIMEOUT_S:.0f} s")
        else:
            self.transport.close()

    def _reject(self, status: int, text: str) -> None:
        body: Any = encode_json({"error": text})
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        head += f"Access-Control-Allow-Origin: *\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()


def _is_hung_up(file_descriptor: int) -> bool:
    poll = select.poll()
    poll.register(file_descriptor, getattr(select, "POLLRDHUP", 0))  # elsewhere than on Linux, POLLHUP reports it
    return bool(poll.poll(0))


class _ResponseWriter:
    """Writes one response for uvicorn. It holds the headers back until the body, to send both in one system call."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle: RequestResponseCycle | None = cycle  # dropped with the first write: it is a reference cycle
        self._head = b""
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Write data, or hold it back if it is the headers of a response with a body."""
        cycle = self._cycle
        if cycle is not None and cycle.response_started:
            if not self._head and cycle.expected_content_length and cycle.scope["method"] != "HEAD":
                self._head = data
                return
            data, self._head, self._cycle = self._head + data, b"", None
        if not self._transport.is_closing():  # a client may disconnect at any time
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write headers that were held back, and close the connection."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._transport.close()
