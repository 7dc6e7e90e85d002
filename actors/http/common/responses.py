"""JSON responses, and the HTTP status of each of the node's errors."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from actors.ans104.item import DataTooLarge, ItemRefused, NoSuchProcess
from actors.node.append_limits import AppendLimitReached
from actors.node.backlog import Overloaded
from actors.node.node import NodeClosed
from actors.node.reads import ReadTimeout
from actors.protocol.canonical_json import decode_as
from actors.runtime.logs import get_logger
from eventstore import EventStoreError

T = TypeVar("T")
Handler = Callable[[Request, Exception], Awaitable[Response]]

RETRY_SOON = {"Retry-After": "1"}
"""The header of a response to a client that may retry after a second."""
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
RAW_ANY_ORIGIN = [(name.lower().encode(), value.encode()) for name, value in ANY_ORIGIN.items()]
encode_json = msgspec.json.Encoder().encode
logger = get_logger()


def json_response(value: Any, status: int = 200) -> Response:
    """A response with a value as JSON."""
    return Response(encode_json(value), status, media_type="application/json")


def error_response(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """A response with the body ``{"error": text}``."""
    response = json_response({"error": text}, status)
    response.headers.update(headers or {})
    return response


async def read_body(request: Request, bytes_max: int) -> bytes:
    """A request's body.

    Raises:
        ClientDisconnect: the client closed the connection.
        HTTPException: the body is larger than ``bytes_max`` (413).
    """
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > bytes_max:
            raise HTTPException(413, f"the body is larger than {bytes_max:,} bytes")
        parts.append(part)
    return b"".join(parts)


def client_address(request: Request) -> str:
    """The client's network address; empty if it has none, as over a Unix socket."""
    return request.client.host if request.client else ""


def decode_body(body: bytes, kind: type[T], what: str) -> T:
    """A JSON body as a type.

    Raises:
        HTTPException: it is not JSON of this type, or is nested too deeply (400).
    """
    try:
        return decode_as(body, kind)
    except ValueError as error:
        raise HTTPException(400, f"the body is not {what}: {error}") from None


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.detail, error.status_code, dict(error.headers or {}))


async def _internal_error(request: Request, error: Exception) -> Response:
    logger.error("a request failed", path=request.url.path, error=f"{type(error).__name__}: {error}")
    return error_response("internal error; the node's standard error has the details", 500)


def error_handler(status: int, headers: dict[str, str] | None = None) -> Handler:
    """An exception handler that responds with the error's text and a status."""

    async def handle(_: Request, error: Exception) -> Response:
        return error_response(str(error), status, headers)

    return handle


def retry_handler(status: int) -> Handler:
    """Like ``error_handler``, for an error that names the seconds to wait as ``retry_s``."""

    async def handle(_: Request, error: Any) -> Response:
        return error_response(str(error), status, {"Retry-After": str(error.retry_s)})

    return handle


async def error_response_for(request: Request, error: Exception) -> Response:
    """The response to an error that a handler raised."""
    kind = next(kind for kind in type(error).__mro__ if kind in ERRORS)
    return await ERRORS[kind](request, error)


ERRORS: dict[Any, Handler] = {
    HTTPException: _http_error,
    NoSuchProcess: error_handler(404),
    DataTooLarge: error_handler(413),
    ItemRefused: error_handler(400),
    AppendLimitReached: retry_handler(429),
    Overloaded: error_handler(503, RETRY_SOON),
    ReadTimeout: error_handler(503, RETRY_SOON),
    NodeClosed: error_handler(503),
    EventStoreError: error_handler(503),
    ClientDisconnect: error_handler(400),
    Exception: _internal_error,
}
"""The exception handler of each error."""
