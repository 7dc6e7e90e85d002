"""A fake Arweave gateway and bundler on loopback. It checks signatures and hashes with code of its own."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from nacl.signing import VerifyKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.actors.http.loopback import loopback
from tests.actors.relation.seed_client import deep_hash


def base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class Gateway:
    """Attributes:
    items: the stored items, by id.
    puts: number of uploads.
    failing: number of uploads to store and then answer with an error, like a connection that breaks.
    """

    def __init__(self) -> None:
        self.url = ""
        self.items: dict[str, Any] = {}
        self.puts = 0
        self.failing = 0

    async def tx(self, request: Request) -> Response:
        raw = await request.body()
        self.puts += 1
        node = read_item(raw)
        self.items[node["id"]] = node
        if self.failing:
            self.failing -= 1
            return JSONResponse({"error": "gateway timeout"}, 504)
        return JSONResponse({"id": node["id"]})

    async def graphql(self, request: Request) -> Response:
        body = await request.json()
        node = self.items.get(body["variables"]["id"])
        edges = [{"node": {name: node[name] for name in node if name != "data"}}] if node else []
        return JSONResponse({"data": {"transactions": {"edges": edges}}})

    async def data(self, request: Request) -> Response:
        node = self.items.get(request.path_params["id"])
        return Response(node["data"]) if node else Response("Not Found", 404)


def read_item(raw: bytes) -> dict[str, Any]:
    """The fields of an Ed25519 data item (ANS-104), after checking its signature."""
    assert raw[:2] == b"\2\0", "signature type"
    signature, owner, rest = raw[2:66], raw[66:98], raw[98:]
    assert rest[:2] == b"\0\0", "no target, no anchor"
    count, length = int.from_bytes(rest[2:10], "little"), int.from_bytes(rest[10:18], "little")
    block, data = rest[18 : 18 + length], rest[18 + length :]
    VerifyKey(owner).verify(deep_hash([b"dataitem", b"1", b"2", owner, b"", b"", block, data]), signature)
    return {
        "id": base64url(sha256(signature).digest()),
        "anchor": "",
        "signature": base64url(signature),
        "recipient": "",
        "owner": {"key": base64url(owner)},
        "tags": [{"name": name, "value": value} for name, value in read_tags(block, count)],
        "data": data,
    }


def read_tags(block: bytes, count: int) -> list[tuple[str, str]]:
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = block[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value >> 1

    def text() -> str:
        nonlocal position
        length = number()
        position += length
        return block[position - length : position].decode()

    assert not count or number() == count
    return [(text(), text()) for _ in range(count)]


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    own = Gateway()
    routes = [
        Route("/tx", own.tx, methods=["POST"]),
        Route("/graphql", own.graphql, methods=["POST"]),
        Route("/{id}", own.data),
    ]
    async with loopback(Starlette(routes=routes)) as own.url:
        yield own
