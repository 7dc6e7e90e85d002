"""The one route that has to be fast: a signed item posted to ``/``, answered without what the other routes need."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.http.common.responses import RAW_ANY_ORIGIN, refusal_of

Post = Callable[[Request], Awaitable[Response]]


class _Route(NamedTuple):
    path: str


_ROUTE = _Route("/")
"""For those who count."""


def fast_path(app: ASGIApp, post: Post) -> ASGIApp:
    """The same application, in which posts to ``/`` go straight to a function."""

    async def first(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        scope["route"], request = _ROUTE, Request(scope, receive)
        try:
            response = await post(request)
        except Exception as error:
            response = await refusal_of(request, error)
        response.raw_headers += RAW_ANY_ORIGIN
        await response(scope, receive, send)

    return first
