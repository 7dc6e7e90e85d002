"""A limit on the size of a request's body, independent of the handler that reads it."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENVELOPE_BYTES_MAX = 8 * 1024
"""Limit of an item's bytes without its data: room for the longest key, signature and tags."""


class BodyLimit:
    """ASGI middleware that rejects a larger body with 413 as soon as the limit is passed.

    Args:
        app: the wrapped application.
        bytes_max: limit of a body.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int) -> None:
        self._app, self._bytes_max = app, bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = 0

        async def limited() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > self._bytes_max:
                raise HTTPException(413, f"the body is larger than {self._bytes_max:,} bytes")
            return message

        await self._app(scope, limited, send)
