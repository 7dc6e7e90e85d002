"""The HTTP application of a witness (C2SP tlog-witness)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from actors.http.common.rate_limits import RateLimits
from actors.http.common.responses import ERRORS, RETRY_SOON, error_handler, read_body
from actors.http.witness.rules import Refused
from actors.http.witness.store import StoreUnusable
from actors.http.witness.wire_format import REQUEST_BYTES_MAX
from actors.http.witness.witness import Witness
from actors.runtime.logs import get_logger

WAITING_MAX = 256
"""Requests that wait for the witness; excess clients get 503 and may retry."""
T = TypeVar("T")
logger = get_logger()


class WitnessApp:
    """Serves one witness.

    Args:
        witness: cosigns and stores checkpoints. It runs in one thread, so that the event loop never waits for the disk.
        rate: limit for each address, such as ``100/second``; None for no limit.

    Raises:
        ValueError: the rate is malformed.
    """

    def __init__(self, witness: Witness, *, rate: str | None = None) -> None:
        self._witness = witness
        self._rate_limits = RateLimits(rate)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mostao-witness")
        self._waiting = 0

    def asgi_app(self) -> ASGIApp:
        """The ASGI application."""
        routes = [
            Route("/add-checkpoint", self.add_checkpoint, methods=["POST"]),
            Route("/verifier-key", self.verifier_key),
            Route("/{origin_hash}/checkpoint", self.checkpoint),
        ]
        errors = {**ERRORS, Refused: _refused, StoreUnusable: error_handler(503, RETRY_SOON)}
        return self._rate_limits.limit_addresses(Starlette(routes=routes, exception_handlers=errors))

    def close(self) -> None:
        """Wait for the request that the thread works on."""
        self._thread.shutdown()

    async def add_checkpoint(self, request: Request) -> Response:
        """Cosign a checkpoint. The response leaves when the checkpoint is stored durably."""
        body = await read_body(request, REQUEST_BYTES_MAX)
        return PlainTextResponse(await self._run(lambda: self._witness.add_checkpoint(body)))

    async def checkpoint(self, request: Request) -> Response:
        """The newest checkpoint of a log that this witness cosigned."""
        hashed = request.path_params["origin_hash"]
        note = await self._run(lambda: self._witness.newest(hashed))
        if note is None:
            raise HTTPException(404, "this witness holds no checkpoint of this log")
        return PlainTextResponse(note)

    async def verifier_key(self, request: Request) -> Response:
        """The verifier key of this witness."""
        return PlainTextResponse(f"{self._witness.key}\n")

    async def _run(self, function: Callable[[], T]) -> T:
        """Run a function in the thread of the witness."""
        if self._waiting >= WAITING_MAX:
            raise HTTPException(503, f"at most {WAITING_MAX} requests may wait; try again", RETRY_SOON)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        finally:
            self._waiting -= 1


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    logger.info("a checkpoint was refused", status=error.status, reason=str(error).strip())
    # As a header, because a media type would get a charset, and the type of a size has to be sent as it is.
    return Response(str(error), error.status, {"Content-Type": error.content_type})
