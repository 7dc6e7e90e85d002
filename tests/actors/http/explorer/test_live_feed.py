import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors import Node, Overloaded
from actors.http.explorer import routes
from actors.http.explorer.live_feed import REFRESH_S, ROWS, LiveFeed
from actors.http.explorer.view_models import Row
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, NODE, item, still


def rendered(row: Row) -> str:
    return f"<{row.sequence}>\n"


async def test_many_streams_cost_one_read_and_one_rendering(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, renderings = 0, 0

    async def counted(node: Node, function: Any, read: Any = None) -> Any:
        nonlocal reads
        reads += 1
        return await read_page(node, function, read)

    def counted_render(row: Row) -> str:
        nonlocal renderings
        renderings += 1
        return rendered(row)

    read_page = Node.read_page
    monkeypatch.setattr(Node, "read_page", counted)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        feed = LiveFeed(node, counted_render)
        for _ in range(9):
            await node.send(item(ALICE, node.registry, "QueryHandle", {"handle": "a"}))
        events = await asyncio.gather(*(feed.messages_after(number % 10) for number in range(300)))
        assert (reads, renderings) == (1, 10)
        assert events[8] == (b"event: messages\ndata: <10>\ndata: <9>\nid: 10\n\n", 10)
        assert feed.load() is feed.load()


async def test_a_stream_gets_the_newest_messages_and_skips_older_ones(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.http.explorer.live_feed.REFRESH_S", 0)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        feed = LiveFeed(node, rendered)
        assert (await feed.messages_after(0))[1] == 1
        for _ in range(ROWS + 9):
            await node.send(item(ALICE, node.registry, "QueryHandle", {"handle": "a"}))
        event, end = await feed.messages_after(1)
        assert end == ROWS + 10
        assert event.count(b"data: ") == ROWS
        assert await feed.messages_after(end) == (b"", end)
    assert REFRESH_S > 0


async def test_the_number_of_streams_is_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "STREAMS_MAX", 1)
    async with served(path) as server:
        async with server.client.stream("GET", "/explorer/events") as response:
            await anext(response.aiter_lines())
            assert "1 event streams are open" in await server.refusal(503, "GET", "/explorer/events")
        while True:
            async with server.client.stream("GET", "/explorer/events") as response:
                if response.status_code == 200:  # the server has noticed that the first one ended
                    break
        server.servers.stop()


async def test_streams_of_clients_that_left_do_not_count(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(routes, "STREAMS_MAX", 20)
    monkeypatch.setattr("actors.http.explorer.routes.TICK_S", 0.01)
    monkeypatch.setattr("actors.http.explorer.routes.STREAM_S", 0.001)
    monkeypatch.setattr("actors.http.explorer.live_feed.LOAD_S", 0.01)
    request = b"GET /explorer/events HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    async with served(path) as server:
        for _ in range(3):
            clients = [await asyncio.open_connection(*server.address) for _ in range(20)]
            for _, writer in clients:
                writer.write(request)
            for reader, _ in clients:
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert "20 event streams are open" in await server.refusal(503, "GET", "/explorer/events")
            for _, writer in clients:
                writer.close()
            async with asyncio.timeout(5):
                while not await is_free(server):
                    pass
    assert capfd.readouterr().err == ""


async def is_free(server: ServedNode) -> bool:
    """Whether the server opens an event stream."""
    async with server.client.stream("GET", "/explorer/events") as response:
        return response.status_code == 200


async def test_streams_end_without_an_error_when_the_node_stops(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with served(path) as server, server.client.stream("GET", "/explorer/events") as response:
        lines = response.aiter_lines()
        await anext(lines)
        server.node.stop_pages()
        await server.post(item(ALICE, server.node.registry, "QueryHandle", {"handle": "a"}))
        async for _ in lines:  # until the stream ends
            pass
    assert "failed" not in capfd.readouterr().err


async def test_a_stream_goes_on_when_the_node_was_too_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: Any) -> Any:
        raise Overloaded

    monkeypatch.setattr("actors.http.explorer.live_feed.REFRESH_S", 0)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        feed = LiveFeed(node, rendered)
        with monkeypatch.context() as patch:
            patch.setattr(Node, "read_page", busy)
            assert await feed.messages_after(0) == (b"", 0)
        assert (await feed.messages_after(0))[1] == 1
