"""How load reaches a node that is served: AO's own requests over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import aiohttp

from simulations.load.lines import NotServed
from simulations.load.wire import ACCEPTED, FAILED, ITEM_REFUSED, OVERLOADED, RATE_LIMITED, REFUSED, Answered

CONNECTIONS = 64
TIMEOUT_S = 60.0
_KINDS = {429: RATE_LIMITED, 503: OVERLOADED}
_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError)


class HttpLine:
    """A client's end, with connections that are kept."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._asking: set[asyncio.Task[Answered]] = set()

    @classmethod
    async def open(cls, url: str, *, connections: int = CONNECTIONS) -> Self:
        """Get ready to ask; so many at one time."""
        connector = aiohttp.TCPConnector(limit=connections)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        return cls(url.rstrip("/"), aiohttp.ClientSession(connector=connector, timeout=timeout))

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Task[Answered]":
        """Send an item; the task is done when the node says what came of it.

        Args:
            raw: the item.
            answer: also ask for its result. Else all that is known is that it is durable.
        """
        task = asyncio.create_task(self._submit(raw, answer))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def get(self, path: str, **query: str) -> Any:
        """What a route answers, as JSON or, where it is none, as text.

        Raises:
            NotServed: it does not answer, or refuses.
        """
        try:
            async with self._session.get(self._url + path, params=query) as response:
                if response.status != 200:
                    raise NotServed(f"{self._url}{path} answers {response.status}: {(await response.text())[:200]}")
                return await (response.json() if response.content_type == "application/json" else response.text())
        except _TROUBLE as error:
            raise NotServed(f"{self._url} does not answer as a node ({error or type(error).__name__})") from None

    async def close(self) -> None:
        """Hang up."""
        await self._session.close()

    async def _submit(self, raw: bytes, answer: bool) -> Answered:
        try:
            async with self._session.post(self._url, data=raw, headers=_HEADERS) as response:
                said = await response.json()
                if response.status >= 400:
                    return Answered(0, _KINDS.get(response.status, ITEM_REFUSED), said["error"])
            if not answer:
                return Answered(0, ACCEPTED, "")
            async with self._session.get(f"{self._url}/result/{said['id']}") as response:
                result = await response.json()
                if response.status >= 400:
                    return Answered(0, _KINDS.get(response.status, FAILED), result["error"])
                return _answered(result)
        except (*_TROUBLE, ValueError, KeyError) as error:
            return Answered(0, FAILED, f"{type(error).__name__}: {error}")


_HEADERS = {"Content-Type": "application/octet-stream"}


def _answered(result: dict[str, Any]) -> Answered:
    messages: Sequence[dict[str, str]] = result.get("Messages", ())
    if "Error" in result:
        return Answered(0, REFUSED, result["Error"])
    return Answered(0, ACCEPTED, messages[0]["Data"] if messages else "")
