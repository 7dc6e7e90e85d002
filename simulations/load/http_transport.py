"""How load reaches a node that is served: AO's own requests over HTTP."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.response import Response

from simulations.load.connect import NotServed
from simulations.load.socket_transport import (
    ACCEPTED,
    FAILED,
    ITEM_REFUSED,
    OVERLOADED,
    RATE_LIMITED,
    REFUSED,
    Answered,
)

CONNECTIONS = 64
TIMEOUT = timedelta(seconds=60)
_TAKEN = 202
_KINDS = {429: RATE_LIMITED, 503: OVERLOADED}
_HEADERS = {"Content-Type": "application/octet-stream"}


class HttpLine:
    """A client's end, with connections that are kept."""

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client
        self._asking: set[asyncio.Task[Answered]] = set()

    @classmethod
    async def open(cls, url: str, *, connections: int = CONNECTIONS) -> Self:
        """Get ready to ask; so many at one time."""
        client = ClientBuilder().max_connections(connections).timeout(TIMEOUT).no_proxy()
        return cls(url.rstrip("/"), client.build())

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Task[Answered]":
        """Send an item; the task is done when the node says what came of it.

        Args:
            raw: the item.
            answer: also ask for its result. Else all that is known is that it is durable.
        """
        task = asyncio.create_task(self.ask(raw, answer=answer))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def ask(self, raw: bytes, *, answer: bool = False) -> Answered:
        """The same, for who waits for it at once."""
        try:
            response = await self._client.post(self._url).headers(_HEADERS).body_bytes(raw).build().send()
            if response.status == _TAKEN and not answer:
                return Answered(0, ACCEPTED, "")
            said = await response.json()
            if response.status >= 400:
                return Answered(0, _KINDS.get(response.status, ITEM_REFUSED), said["error"])
            response = await self._client.get(f"{self._url}/result/{said['id']}").build().send()
            result = await response.json()
            if response.status >= 400:
                return Answered(0, _KINDS.get(response.status, FAILED), result["error"])
            return _answered(result)
        except (PyreqwestError, ValueError, KeyError, TypeError) as error:
            return Answered(0, FAILED, _reason(error))

    async def get(self, path: str, **query: str) -> Any:
        """What a route answers, as JSON or, where it is none, as text.

        Raises:
            NotServed: it does not answer, or refuses.
        """
        try:
            response = await self._client.get(self._url + path).query(query).build().send()
            if response.status != 200:
                raise NotServed(f"{self._url}{path} answers {response.status}: {(await response.text())[:200]}")
            return await (response.json() if _is_json(response) else response.text())
        except (PyreqwestError, ValueError) as error:
            raise NotServed(f"{self._url} does not answer as a node ({_reason(error)})") from None

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()


def _is_json(response: Response) -> bool:
    return response.headers.get("content-type", "").startswith("application/json")


def _reason(error: Exception) -> str:
    """What went wrong, in the words of whoever noticed first."""
    causes = error.details["causes"] if isinstance(error, DetailedPyreqwestError) else None
    return causes[-1]["message"] if causes else f"{type(error).__name__}: {error}"


def _answered(result: dict[str, Any]) -> Answered:
    messages: Sequence[dict[str, str]] = result.get("Messages", ())
    if "Error" in result:
        return Answered(0, REFUSED, result["Error"])
    return Answered(0, ACCEPTED, messages[0]["Data"] if messages else "")
