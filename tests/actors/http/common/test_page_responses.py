import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors import Node
from actors.http.common import connections, page_responses
from actors.http.common.page_responses import take_page
from tests.actors.http.endless_read import EndlessRead
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, item, register

LARGE = "x" * 100_000


class Silent(asyncio.Protocol):
    """Reads nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()


async def ask_and_read_nothing(server: ServedNode, path: str) -> asyncio.Transport:
    transport, _ = await asyncio.get_running_loop().create_connection(Silent, *server.address)
    transport.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 2)
    return transport


async def large_messages(server: ServedNode, count: int) -> str:
    """A process with messages of ``LARGE`` data."""
    alice = await register(server.node, ALICE, "alice")
    for _ in range(count):
        await server.node.send(item(ALICE, alice, "Nonsense", LARGE))
    return alice


def test_a_page_ends_with_the_entry_that_fills_it() -> None:
    assert take_page([], limit=10) == ([], False)
    assert take_page([b"x"] * 3, limit=3) == ([b"x"] * 3, False)
    assert take_page([b"x"] * 4, limit=3) == ([b"x"] * 3, True)
    half = bytes(page_responses.PAGE_BYTES_MAX // 2)
    assert take_page([half] * 3, limit=10) == ([half] * 2, True)
    assert take_page([half * 4, b""], limit=10) == ([half * 4], True)


async def test_pages_of_large_messages_are_bounded_and_clients_read_on(path: Path) -> None:
    async with served(path) as server:
        alice = await large_messages(server, 24)
        slots: list[str] = []
        more, sizes = True, []
        while more:
            query = {"limit": 1000, **({"from": slots[-1]} if slots else {})}
            response = await server.client.get(f"/{alice}", params=query)
            sizes.append(len(response.content))
            slots += [edge["cursor"] for edge in response.json()["edges"]]
            more = response.json()["page_info"]["has_next_page"]
        assert slots == [str(slot) for slot in range(25)]
        assert len(sizes) == 3
        assert max(sizes) < page_responses.PAGE_BYTES_MAX + 1.1 * len(LARGE)


@pytest.mark.parametrize("sort", ["ASC", "DESC"])
async def test_pages_of_results_are_bounded_and_clients_read_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr(page_responses, "PAGE_BYTES_MAX", 2_000)
    async with served(path) as server:
        for _ in range(20):
            await server.node.send(item(ALICE, server.node.registry, "QueryHandle", {"handle": "alice"}))
        cursors: list[str] = []
        more, pages = True, 0
        while more:
            query = {"limit": 1000, "sort": sort, **({"from": cursors[-1]} if cursors else {})}
            page = await server.get(f"/results/{server.node.registry}", **query)
            cursors += [edge["cursor"] for edge in page["edges"]]
            more, pages = page["pageInfo"]["hasNextPage"], pages + 1
        assert len(set(cursors)) == len(cursors) == 21
        assert pages > 3


async def test_unread_responses_are_bounded_in_total(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_responses, "UNSENT_BYTES_MAX", 3_000_000)
    async with served(path) as server:
        alice = await large_messages(server, 12)
        silent = []
        while True:
            response = await server.client.get(f"/{alice}", params={"limit": 1000})
            if response.status_code == 503:
                break
            silent.append(await ask_and_read_nothing(server, f"/{alice}?limit=1000"))
        assert "clients have not read 3,000,000 bytes" in response.json()["error"]
        assert response.headers["Retry-After"] == "1"
        assert 0 < connections.unsent_bytes() <= 3_000_000
        monkeypatch.setattr(page_responses, "UNSENT_BYTES_MAX", 1)
        for url in (f"/results/{alice}", "/explorer", f"/result/{alice}"):
            assert "not read" in await server.refusal(503, "GET", url)
        assert (await server.get("/health"))["status"] == "ok"
        await server.post(item(ALICE, alice, "GetProfile"))
        monkeypatch.setattr(page_responses, "UNSENT_BYTES_MAX", 100_000)
        for transport in silent:
            transport.abort()
        while (await server.client.get(f"/{alice}", params={"limit": 1})).status_code == 503:
            pass  # until the server has noticed


async def test_a_client_that_reads_nothing_gets_no_second_response(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = 0

    async def counted(node: Node, function: Any, read: Any = None) -> Any:
        nonlocal started
        started += 1
        return await read_page(node, function, read)

    read_page = Node.read_page
    monkeypatch.setattr(Node, "read_page", counted)
    async with served(path, data_bytes_max=2**24) as server:
        raw = item(ALICE, server.node.registry, "x", "y" * 2**24)  # more than the kernel buffers
        message = await server.post(raw)
        silent = await ask_and_read_nothing(server, f"/{message}")
        while not connections.unsent_bytes():
            await asyncio.sleep(0.001)
        assert (await server.get("/health"))["status"] == "ok"
        assert started == 1
        silent.resume_reading()
        while started < 2:
            await asyncio.sleep(0.001)
        silent.abort()


async def test_a_page_ends_when_its_client_disconnects(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = EndlessRead()
    monkeypatch.setattr("actors.http.ao.compute.past_results", endless)
    async with served(path) as server:
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(f"GET /results/{server.node.registry} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await asyncio.to_thread(endless.started.wait)
        writer.close()
        await asyncio.to_thread(endless.ended.wait)
        assert (await server.get(f"/{server.node.registry}"))["edges"]


async def test_a_page_that_takes_too_long_is_refused_with_the_limit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.http.ao.compute.past_results", EndlessRead())
    async with served(path, read_s=0.05) as server:
        assert "longer than 0.05 s" in await server.refusal(503, "GET", f"/results/{server.node.registry}")


async def test_a_page_counts_as_much_as_it_costs(path: Path) -> None:
    async with served(path, rate="40/hour") as server:
        for _ in range(200):
            await server.node.send(item(ALICE, server.node.registry, "QueryHandle", {"handle": "alice"}))
        url = f"/results/{server.node.registry}"
        await server.get(url, limit=1)
        await server.get(url, limit=200)
        assert "rate limit" in await server.refusal(429, "GET", url, params={"limit": 1})


async def test_a_request_counts_as_the_ids_that_it_looks_up(path: Path) -> None:
    body = {"query": "query($ids: [ID!]!) { transactions(ids: $ids) { count } }"}
    async with served(path, rate="10/hour") as server:
        for ids, status in ((["x"], 200), ([f"x{number}" for number in range(100)], 200), (["x"], 429)):
            response = await server.client.post("/graphql", content=json.dumps({**body, "variables": {"ids": ids}}))
            assert response.status_code == status
