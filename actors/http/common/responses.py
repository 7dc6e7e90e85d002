"""Answers and errors as JSON, and what the node's refusals are called in HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from actors.ans104.item import DataTooLarge, ItemRefused, NoSuchProcess
from actors.node.backlog import Overloaded
from actors.node.node import NodeClosed
from actors.runtime.logs import get_logger
from eventstore import EventStoreError

Handler = Callable[[Request, Exception], Awaitable[Response]]

RETRY_S = 1
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
RAW_ANY_ORIGIN = [(name.lower().encode(), value.encode()) for name, value in ANY_ORIGIN.items()]
encode_json = msgspec.json.Encoder().encode
logger = get_logger()


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(encode_json(value), status, media_type="application/json")


def error_answer(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """``{"error": …}``."""
    response = answer({"error": text}, status)
    response.headers.update(headers or {})
    return response


async def body_of(request: Request, bytes_max: int) -> bytes:
    """A request's body.

    Raises:
        ClientDisconnect: whoever asked is gone.
        HTTPException: it is larger (413).
    """
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > bytes_max:
            raise HTTPException(413, f"the body is larger than {bytes_max:,} bytes")
        parts.append(part)
    return b"".join(parts)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_answer(error.detail, error.status_code, dict(error.headers or {}))


async def _fault(request: Request, error: Exception) -> Response:
    logger.error("a request failed", path=request.url.path, error=f"{type(error).__name__}: {error}")
    return error_answer("the node made a mistake; its own log has more", 500)


def refuse_with(status: int, headers: dict[str, str] | None = None) -> Handler:
    """A handler that answers with what the error says, and a status."""

    async def refuse(_: Request, error: Exception) -> Response:
        return error_answer(str(error), status, headers)

    return refuse


async def refusal_of(request: Request, error: Exception) -> Response:
    """What an error is answered with."""
    kind = next(kind for kind in type(error).__mro__ if kind in ERRORS)
    return await ERRORS[kind](request, error)


ERRORS: dict[Any, Handler] = {
    HTTPException: _http_error,
    NoSuchProcess: refuse_with(404),
    DataTooLarge: refuse_with(413),
    ItemRefused: refuse_with(400),
    Overloaded: refuse_with(503, {"Retry-After": str(RETRY_S)}),
    NodeClosed: refuse_with(503),
    EventStoreError: refuse_with(503),
    ClientDisconnect: refuse_with(400),
    Exception: _fault,
}
"""What may go wrong, and how that is answered."""
