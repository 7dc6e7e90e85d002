"""Starts a real node behind a real server on loopback, with an HTTP client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from actors import Limits, Node
from actors.ans104.item import DATA_BYTES_MAX
from actors.http.ao import UNITS
from actors.http.ao.app import AoApp
from actors.http.common.server import Servers, listen
from tests.actors.people import NODE, still


class ServedNode:
    def __init__(self, node: Node, client: httpx.AsyncClient, units: dict[str, str], servers: Servers) -> None:
        self.node, self.client, self.units, self.servers = node, client, units, servers

    @property
    def address(self) -> tuple[str, int]:
        return self.client.base_url.host, self.client.base_url.port or 0

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, raw: bytes) -> str:
        response = await self.client.post("/", content=raw, headers={"Content-Type": "application/octet-stream"})
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    async def answer(self, raw: bytes) -> Any:
        """Post an item, then get the reply from its result, as a client does."""
        result = await self.get(f"/result/{await self.post(raw)}")
        return httpx.Response(200, text=result["Messages"][0]["Data"]).json()

    async def ask(self, process: str, action: str, data: str = "", owner: str = "") -> Any:
        tags = [{"name": "Action", "value": action}, {"name": "Type", "value": "Message"}]
        body = {"Id": "1234", "Target": process, "Owner": owner, "Anchor": "0", "Data": data, "Tags": tags}
        response = await self.client.post("/dry-run", params={"process-id": process}, json=body)
        assert response.status_code == 200, response.text
        return httpx.Response(200, text=response.json()["Messages"][0]["Data"]).json()

    async def refusal(self, status: int, method: str, path: str, **request: Any) -> str:
        response = await self.client.request(method, path, **request)
        assert response.status_code == status, response.text
        assert list(response.json()) == ["error"]
        return str(response.json()["error"])


@asynccontextmanager
async def served(
    path: Path,
    *,
    data_bytes_max: int = DATA_BYTES_MAX,
    rate: str | None = None,
    units: tuple[str, ...] = (),
    read_s: float = 60,
    **options: Any,
) -> AsyncIterator[ServedNode]:
    options = {"wallet": NODE, "clock": still, **options}
    listeners = [listen("127.0.0.1", 0), *(listen("127.0.0.1", 0, unit) for unit in units)]
    options.setdefault("limits", Limits(data_bytes_max=data_bytes_max, read_s=read_s))
    async with Node.open(path, **options) as node:
        app = AoApp(node, data_bytes_max=data_bytes_max, rate=rate)
        servers = Servers(
            (listener, app.asgi_app([listener.unit] if listener.unit else UNITS)) for listener in listeners
        )
        running = asyncio.create_task(servers.run())
        try:
            async with httpx.AsyncClient(base_url=listeners[0].url, timeout=30) as client:
                yield ServedNode(node, client, {listener.unit or "": listener.url for listener in listeners}, servers)
        finally:
            app.stop()
            servers.stop()
            await running
