"""A shortcut for the busiest route: a signed item posted to ``/`` skips routing and middleware."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.http.common.responses import RAW_ANY_ORIGIN, error_response_for

PostHandler = Callable[[Request], Awaitable[Response]]


class _Route(NamedTuple):
    path: str


_ROUTE = _Route("/")
"""The route under which the metrics count these requests."""


def fast_path(app: ASGIApp, post: PostHandler) -> ASGIApp:
    """Wrap an application so that posts to ``/`` go straight to ``post``."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        scope["route"], request = _ROUTE, Request(scope, receive)
        try:
            response = await post(request)
        except Exception as error:
            response = await error_response_for(request, error)
        response.raw_headers += RAW_ANY_ORIGIN
        await response(scope, receive, send)

    return dispatch
