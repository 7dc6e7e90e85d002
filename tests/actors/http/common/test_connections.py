import asyncio
import json
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest

from actors.http.common import connections
from actors.http.common.connections import HEAD_BYTES_MAX
from tests.actors.http.served import Served, served
from tests.actors.people import ALICE, item


async def raw_exchange(face: Served, *parts: bytes) -> tuple[int, dict[str, str]]:
    """What a client hears that writes bytes and waits until it is hung up on."""
    reader, writer = await asyncio.open_connection(*face.address)
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
    async with served(path) as face:
        assert await raw_exchange(face, nonsense) == (400, {"error": "this is no HTTP request"})
        assert (await face.get("/health"))["status"] == "ok"


async def test_headers_have_an_end(path: Path) -> None:
    async with served(path) as face:
        for part in (b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n",):
            status, body = await raw_exchange(face, part)
            assert (status, "headers are larger" in body["error"]) == (431, True)
        lines = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(40))
        status, body = await raw_exchange(face, b"GET /health HTTP/1.1\r\n" + lines + b"\r\n")
        assert status == 431


@pytest.mark.parametrize(
    "beginning",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"],
)
async def test_who_is_slow_is_hung_up_on(path: Path, monkeypatch: pytest.MonkeyPatch, beginning: bytes) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    async with served(path) as face:
        status, body = await raw_exchange(face, beginning)
        assert (status, "was not here within" in body["error"]) == (408, True)


async def answers(reader: asyncio.StreamReader, *, bodies: bool = True) -> tuple[bytes, bytes]:
    """The head and the body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length if bodies else 0)


async def test_requests_follow_one_another_on_a_connection(path: Path) -> None:
    async with served(path, data_bytes_max=2**21) as face:
        raw = item(ALICE, face.node.registry, "x", "y" * 2**21)
        reader, writer = await asyncio.open_connection(*face.address)
        writer.write(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _ = await answers(reader, bodies=False)
        assert head.startswith(b"HTTP/1.1 200")
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /a/b/c HTTP/1.1\r\nHost: x\r\n\r\n")
        first, second = await answers(reader), await answers(reader)
        assert (json.loads(first[1])["status"], json.loads(second[1])["error"]) == ("ok", "Not Found")
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(raw))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(raw)
        head, body = await answers(reader)
        assert head.startswith(b"HTTP/1.1 202")
        writer.write(b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % json.loads(body)["id"].encode())
        _, whole = await answers(reader)
        assert "y" * 2**21 in json.loads(whole)["message"]["data"]
        assert await reader.read() == b""
        writer.close()


async def test_the_head_of_an_answer_that_breaks_off_is_sent() -> None:
    sent: list[bytes] = []
    transport = Mock(write=sent.append)
    cycle = Mock(response_started=True, expected_content_length=5, scope={"method": "GET"})
    answer = connections._Answer(cycle, transport)
    answer.write(b"head ")
    assert sent == []
    answer.close()
    assert sent == [b"head "]
    transport.close.assert_called_once_with()


async def ask_and_never_read(client: socket.socket, asks: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, asks)


async def test_who_takes_no_answer_is_hung_up_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_S", 0.2)
    async with served(path, data_bytes_max=2**21) as face:
        message = await face.post(item(ALICE, face.node.registry, "x", "y" * 2**21))
        asks = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % message.encode() * 100
        with socket.create_connection(face.address) as client:
            client.setblocking(False)
            with pytest.raises(ConnectionError):
                await ask_and_never_read(client, asks)
        assert (await face.get("/health"))["status"] == "ok"


async def test_a_thousand_idle_connections_are_in_nobodys_way(path: Path) -> None:
    async with served(path) as face:
        idle = [await asyncio.open_connection(*face.address) for _ in range(1000)]
        raw = item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        assert (await face.answer(raw))["status"] == "success"
        for _, writer in idle:
            writer.close()


async def test_stopping_answers_what_is_in_flight(path: Path) -> None:
    async with served(path) as face:
        items = [
            item(ALICE, face.node.registry, "Register", {"handle": f"person{number}", "pubkey": "k"})
            for number in range(200)
        ]
        posting = [asyncio.create_task(face.client.post("/", content=raw)) for raw in items]
        while face.node.load().waiting < 50:
            await asyncio.sleep(0)
        face.servers.stop()
        answers = await asyncio.gather(*posting, return_exceptions=True)
        taken = [answer.json()["id"] for answer in answers if not isinstance(answer, BaseException)]
        assert len(taken) >= 50
    async with served(path) as face:
        for message in taken:
            assert await face.node.outcome(message) is not None


async def test_any_origin_may_ask(path: Path) -> None:
    async with served(path) as face:
        headers = {
            "Origin": "https://people.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        for route in ("/", "/dry-run", "/graphql", "/result/x", "/results/x", f"/{face.node.registry}", "/info"):
            response = await face.client.options(route, headers=headers)
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] == "*"
            assert "POST" in response.headers["access-control-allow-methods"]
        for route in ("/info", "/result/nothing"):
            response = await face.client.get(route, headers={"Origin": "https://people.example"})
            assert response.headers["access-control-allow-origin"] == "*"


async def test_a_route_that_there_is_not_and_a_method_that_does_not_go(path: Path) -> None:
    async with served(path) as face:
        assert await face.refusal(404, "GET", "/a/b/c") == "Not Found"
        assert await face.refusal(405, "PUT", "/") == "Method Not Allowed"
