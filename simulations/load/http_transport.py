"""A transport over HTTP, with the requests of AO's own client."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.response import Response

from simulations.load.transport import (
    ACCEPTED,
    FAILED,
    ITEM_REFUSED,
    OVERLOADED,
    RATE_LIMITED,
    REFUSED,
    NotServed,
    Reply,
)

CONNECTIONS = 64
TIMEOUT = timedelta(seconds=60)
WAIT_MAX_S = 300
"""Seconds that a page is requested again for, as long as the node refuses it for the moment."""
_TAKEN = 202
_KINDS = {429: RATE_LIMITED, 503: OVERLOADED}
_HEADERS = {"Content-Type": "application/octet-stream"}


class HttpTransport:
    """An HTTP client with persistent connections."""

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client
        self._requests: set[asyncio.Task[Reply]] = set()

    @classmethod
    async def open(cls, url: str, *, connections: int = CONNECTIONS) -> Self:
        """Make a client that opens at most this many connections."""
        client = ClientBuilder().max_connections(connections).timeout(TIMEOUT).no_proxy()
        return cls(url.rstrip("/"), client.build())

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Task[Reply]":
        """Send an item; the task completes with the node's reply.

        Args:
            raw: the item.
            answer: also request its result. Without it the reply tells only that the item is durable.
        """
        task = asyncio.create_task(self.send(raw, answer=answer))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        return task

    async def send(self, raw: bytes, *, answer: bool = False) -> Reply:
        """Send an item and wait for the reply; like ``submit``, without a task."""
        try:
            response = await self._client.post(self._url).headers(_HEADERS).body_bytes(raw).build().send()
            if response.status == _TAKEN and not answer:
                return Reply(0, ACCEPTED, "")
            body = await response.json()
            if response.status >= 400:
                return _refusal(response, ITEM_REFUSED, body["error"])
            response = await self._client.get(f"{self._url}/result/{body['id']}").build().send()
            result = await response.json()
            if response.status >= 400:
                return _refusal(response, FAILED, result["error"])
            return _reply(result)
        except (PyreqwestError, ValueError, KeyError, TypeError) as error:
            return Reply(0, FAILED, _reason(error))

    async def get(self, path: str, **query: str) -> Any:
        """The response body of a route: decoded if it is JSON, else as text. Waits as ``Retry-After`` tells it to.

        Raises:
            NotServed: there is no response, or its status is not 200.
        """
        try:
            waited_s = 0
            while True:
                response = await self._client.get(self._url + path).query(query).build().send()
                retry_s = _retry_s(response) if response.status in _KINDS else 0
                if not retry_s or waited_s + retry_s > WAIT_MAX_S:
                    break
                waited_s += retry_s
                await asyncio.sleep(retry_s)
            if response.status != 200:
                raise NotServed(
                    f"{self._url}{path} responds with status {response.status}: {(await response.text())[:200]}"
                )
            return await (response.json() if _is_json(response) else response.text())
        except (PyreqwestError, ValueError) as error:
            raise NotServed(f"{self._url} does not answer as a node ({_reason(error)})") from None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _is_json(response: Response) -> bool:
    return response.headers.get("content-type", "").startswith("application/json")


def _reason(error: Exception) -> str:
    """The innermost cause of an error."""
    causes = error.details["causes"] if isinstance(error, DetailedPyreqwestError) else None
    return causes[-1]["message"] if causes else f"{type(error).__name__}: {error}"


def _refusal(response: Response, default: str, text: str) -> Reply:
    return Reply(0, _KINDS.get(response.status, default), text, _retry_s(response))


def _retry_s(response: Response) -> int:
    """The seconds of a response's ``Retry-After``; 0 if it has none."""
    text = response.headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _reply(result: dict[str, Any]) -> Reply:
    messages: Sequence[dict[str, str]] = result.get("Messages", ())
    if "Error" in result:
        return Reply(0, REFUSED, result["Error"])
    return Reply(0, ACCEPTED, messages[0]["Data"] if messages else "")
