import asyncio
import json
import socket
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from actors import Node
from actors.http.common import connections
from actors.http.common.connections import HEADERS_BYTES_MAX, GuardedConnection
from tests.actors.http.endless_read import EndlessRead
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, item


async def raw_exchange(server: ServedNode, *parts: bytes) -> tuple[int, dict[str, str]]:
    """Write bytes, read until the server closes the connection, and return the status and the JSON body."""
    reader, writer = await asyncio.open_connection(*server.address)
    for part in parts:
        writer.write(part)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\r\n\r\nnonsense\r\n\r\n",
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_request_is_told_so(path: Path, nonsense: bytes) -> None:
    async with served(path) as server:
        assert await raw_exchange(server, nonsense) == (400, {"error": "this is not an HTTP request"})
        assert (await server.get("/health"))["status"] == "ok"


async def test_headers_have_an_end(path: Path) -> None:
    async with served(path) as server:
        for part in (b"GET /" + b"x" * HEADERS_BYTES_MAX + b" HTTP/1.1\r\n\r\n",):
            status, body = await raw_exchange(server, part)
            assert (status, "headers are larger" in body["error"]) == (431, True)
        lines = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(40))
        status, body = await raw_exchange(server, b"GET /health HTTP/1.1\r\n" + lines + b"\r\n")
        assert status == 431


@pytest.mark.parametrize(
    "beginning",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"],
)
async def test_who_is_slow_is_hung_up_on(path: Path, monkeypatch: pytest.MonkeyPatch, beginning: bytes) -> None:
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT_S", 0.2)
    async with served(path) as server:
        status, body = await raw_exchange(server, beginning)
        assert (status, "did not arrive within" in body["error"]) == (408, True)


async def read_response(reader: asyncio.StreamReader, *, bodies: bool = True) -> tuple[bytes, bytes]:
    """The headers and the body of the next response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length if bodies else 0)


async def test_requests_follow_one_another_on_a_connection(path: Path) -> None:
    async with served(path, data_bytes_max=2**21) as server:
        raw = item(ALICE, server.node.registry, "x", "y" * 2**21)
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _ = await read_response(reader, bodies=False)
        assert head.startswith(b"HTTP/1.1 200")
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /a/b/c HTTP/1.1\r\nHost: x\r\n\r\n")
        first, second = await read_response(reader), await read_response(reader)
        assert (json.loads(first[1])["status"], json.loads(second[1])["error"]) == ("ok", "Not Found")
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(raw))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(raw)
        head, body = await read_response(reader)
        assert head.startswith(b"HTTP/1.1 202")
        writer.write(b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % json.loads(body)["id"].encode())
        _, whole = await read_response(reader)
        assert "y" * 2**21 in json.loads(whole)["message"]["data"]
        assert await reader.read() == b""
        writer.close()


async def test_the_head_of_an_answer_that_breaks_off_is_sent() -> None:
    sent: list[bytes] = []
    transport = Mock(write=sent.append, is_closing=lambda: False)
    cycle = Mock(response_started=True, expected_content_length=5, scope={"method": "GET"})
    answer = connections._ResponseWriter(cycle, transport)
    answer.write(b"head ")
    assert sent == []
    answer.close()
    assert sent == [b"head "]
    transport.close.assert_called_once_with()


async def send_and_never_read(client: socket.socket, requests: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, requests)


async def test_who_takes_no_answer_is_hung_up_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "RESPONSE_TIMEOUT_S", 0.2)
    async with served(path, data_bytes_max=2**21) as server:
        message = await server.post(item(ALICE, server.node.registry, "x", "y" * 2**21))
        requests = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % message.encode() * 100
        with socket.create_connection(server.address) as client:
            client.setblocking(False)
            with pytest.raises(ConnectionError):
                await send_and_never_read(client, requests)
        assert (await server.get("/health"))["status"] == "ok"


async def leave_a_few_bytes_unread(
    server: ServedNode, monkeypatch: pytest.MonkeyPatch, client: socket.socket
) -> asyncio.Transport:
    """Request small responses and read nothing, until a part of one waits in the server's process.

    Returns:
        The server's end of the connection.
    """
    transports: list[asyncio.Transport] = []

    def connect(connection: GuardedConnection, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        connection_made(connection, transport)
        transports.append(transport)

    connection_made = GuardedConnection.connection_made
    await server.get("/health")  # on a connection that stays open
    with monkeypatch.context() as patch:
        patch.setattr(GuardedConnection, "connection_made", connect)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, server.address)
        before, size = 0, -1
        while not before == size > 0:  # the kernel accepts no more
            if size <= 0:
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(20):
                await server.get("/health")
            before, size = size, transports[0].get_write_buffer_size()
    assert transports[0].get_write_buffer_size() < 2**16
    return transports[0]


async def test_a_client_that_leaves_a_few_bytes_unread_is_disconnected(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RESPONSE_TIMEOUT_S", 1.5)
    async with served(path) as server:
        with socket.socket() as client:
            transport = await leave_a_few_bytes_unread(server, monkeypatch, client)
            assert connections.unsent_bytes() == transport.get_write_buffer_size()
            async with asyncio.timeout(5):
                while not transport.is_closing():
                    await asyncio.sleep(0.01)
        assert connections.unsent_bytes() == 0


async def test_a_few_unread_bytes_do_not_delay_a_stop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STOP_RESPONSE_TIMEOUT_S", 0.1)
    with socket.socket() as client:
        async with asyncio.timeout(10), served(path) as server:
            transport = await leave_a_few_bytes_unread(server, monkeypatch, client)
        assert transport.is_closing()


async def test_a_websocket_cannot_start_before_the_response_to_an_earlier_request(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    upgrade += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    async with served(path) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /explorer/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(upgrade)
        assert b"HTTP/1.1" not in await reader.read()
        with socket.socket() as client:
            await leave_a_few_bytes_unread(server, monkeypatch, client)
            client.send(upgrade)
            for _ in range(20):
                await server.get("/health")
        async with asyncio.timeout(5):
            while connections._unread:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("read", ["/results/REGISTRY", "/REGISTRY", "/explorer", "/explorer/process/REGISTRY"])
async def test_a_read_ends_with_its_client_even_if_another_request_waits(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], read: str, later: bool
) -> None:
    endless = EndlessRead()

    async def read_endlessly(node: Node, _: Any, progress: Any = None) -> Any:
        return await read_page(node, endless, progress)

    read_page = Node.read_page
    async with served(path) as server:
        monkeypatch.setattr(Node, "read_page", read_endlessly)
        request = f"GET {read.replace('REGISTRY', server.node.registry)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(request if later else request * 2)
        await asyncio.to_thread(endless.started.wait)
        if later:
            writer.write(request)
            await server.get("/health")
        writer.close()
        assert await asyncio.to_thread(endless.ended.wait, 5)
        monkeypatch.undo()
    assert capfd.readouterr().err == ""


async def test_a_thousand_idle_connections_are_in_nobodys_way(path: Path) -> None:
    async with served(path) as server:
        idle = [await asyncio.open_connection(*server.address) for _ in range(1000)]
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        assert (await server.answer(raw))["status"] == "success"
        for _, writer in idle:
            writer.close()


async def test_stopping_answers_what_is_in_flight(path: Path) -> None:
    async with served(path) as server:
        items = [
            item(ALICE, server.node.registry, "Register", {"handle": f"person{number}", "pubkey": "k"})
            for number in range(200)
        ]
        posting = [asyncio.create_task(server.client.post("/", content=raw)) for raw in items]
        while server.node.load().waiting < 50:
            await asyncio.sleep(0)
        server.servers.stop()
        answers = await asyncio.gather(*posting, return_exceptions=True)
        taken = [answer.json()["id"] for answer in answers if not isinstance(answer, BaseException)]
        assert len(taken) >= 50
    async with served(path) as server:
        for message in taken:
            assert await server.node.outcome(message) is not None


async def test_any_origin_may_ask(path: Path) -> None:
    async with served(path) as server:
        headers = {
            "Origin": "https://people.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        for route in ("/", "/dry-run", "/graphql", "/result/x", "/results/x", f"/{server.node.registry}", "/info"):
            response = await server.client.options(route, headers=headers)
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] == "*"
            assert "POST" in response.headers["access-control-allow-methods"]
        for route in ("/info", "/result/nothing"):
            response = await server.client.get(route, headers={"Origin": "https://people.example"})
            assert response.headers["access-control-allow-origin"] == "*"


async def test_a_route_that_there_is_not_and_a_method_that_does_not_go(path: Path) -> None:
    async with served(path) as server:
        assert await server.refusal(404, "GET", "/a/b/c") == "Not Found"
        assert await server.refusal(405, "PUT", "/") == "Method Not Allowed"
