import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from actors import Node
from tests.actors.http.serve_command import COMMAND
from tests.actors.people import ALICE, item, register

STOP_S = 10


@contextmanager
def connections(url: str, request: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections with a request in flight, whose clients read nothing."""
    address = urlsplit(url)
    clients = [socket.create_connection((address.hostname or "", address.port or 0)) for _ in range(count)]
    try:
        for client in clients:
            client.sendall(request)
        yield clients
    finally:
        for client in clients:
            client.close()


def huge_query() -> bytes:
    fields = " ".join(f"a{number}:transactions(ids:$i){{count}}" for number in range(1_750))
    ids = [f"{number:04}".ljust(43, "A") for number in range(100)]
    body = json.dumps({"query": f"query($i:[ID!]!){{{fields}}}", "variables": {"i": ids}}).encode()
    assert 60_000 < len(body) < 2**16
    return b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize("attack", ["graphql", "pages", "streams"])
async def test_sigterm_ends_the_server_while_clients_ask_for_much_and_read_nothing(path: Path, attack: str) -> None:
    async with Node.open(path) as node:
        alice = await register(node, ALICE, "alice")
        for _ in range(120):
            node.submit(item(ALICE, alice, "x", "y" * 50_000))
    request, count = {
        "graphql": (huge_query(), 6),
        "pages": (f"GET /{alice}?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 20),
        "streams": (b"GET /explorer/events HTTP/1.1\r\nHost: x\r\n\r\n", 50),
    }[attack]
    with subprocess.Popen([*COMMAND, "serve", str(path), "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().removeprefix("listening on ").strip()
        with connections(url, request, count) as clients:
            assert clients[0].recv(1, socket.MSG_PEEK)  # the first response has begun
            raw = item(ALICE, alice, "GetProfile")
            async with httpx.AsyncClient(timeout=STOP_S) as client:
                assert (await client.post(url, content=raw)).status_code == 202
            started = time.perf_counter()
            server.send_signal(signal.SIGTERM)
            server.wait(STOP_S)
            assert time.perf_counter() - started < STOP_S
        assert server.returncode == 0
