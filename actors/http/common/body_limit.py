"""A bound on what a request may bring, whatever reads it."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: a larger body is answered with 413 as soon as that shows.

    Args:
        app: what it stands before.
        bytes_max: of a body.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int) -> None:
        self._app, self._bytes_max = app, bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = 0

        async def bounded() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > self._bytes_max:
                raise HTTPException(413, f"the body is larger than {self._bytes_max:,} bytes")
            return message

        await self._app(scope, bounded, send)
