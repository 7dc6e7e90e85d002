"""No body makes a proxy fail: each is accepted or refused with a reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import websockets

from actors.processes.relation.contracts import METHODS
from tests.actors.relation.seed_client import Client
from tests.actors.relation.served import proxies

VALUES = (
    *(r'"\ud800"', r'"\udc00x"', r'{"\udfff": 1}', r'["\ud800"]', "NaN", "-Infinity", "1e999", "1" + "0" * 400),
    *("[" * 600 + "]" * 600, '{"a":' * 600 + "1" + "}" * 600, "null", "true", "-1", "1.5", r'"\u0000"', "[]", "{}"),
)


def malformed(body: dict[str, Any]) -> Iterator[str]:
    """The body with each field, or the whole of it, replaced by each value."""
    for value in VALUES:
        yield value
        for field in body:
            yield json.dumps(body | {field: "?"}).replace('"?"', value)
        yield json.dumps(body)[:-1] + f', "other": {value}}}'


async def test_a_body_that_is_no_unicode_or_too_deep_is_refused_and_never_an_error_of_the_proxy(path: Path) -> None:
    async with proxies(path) as served:
        client = Client(served.url)
        await client.login()
        await client.contract("register", owner=client.address, name="alice.eth")
        challenge = await client.call("POST", "/login/challenge", json={"address": client.address})
        key = {"accessControlConditions": [], "chain": "ethereum", "authSig": client.auth_sig}
        bodies = [
            ("/login/challenge", {"address": client.address}),
            ("/login", {**challenge, "signature": "0x" + "ab" * 65}),
            ("/message/send", client.compose(client.address, "x")),
            ("/keys/save", {**key, "encryptedSymmetricKey": "ab"}),
            ("/keys/get", {**key, "toDecrypt": "ab"}),
            ("/contract/ask", {"method": "profileURI", "arguments": {"addr": client.address}}),
        ]
        async with httpx.AsyncClient(base_url=served.url, headers={"Authorization": f"Bearer {client.token}"}) as http:
            for route, body in bodies:
                for content in malformed(body):
                    response = await http.post(route, content=content, headers={"Content-Type": "application/json"})
                    assert response.status_code < 500, (route, content[:200])
                    assert response.status_code < 400 or response.json()["error"]
                    if r"\u" in content and "u0000" not in content:
                        assert response.status_code == 422, (route, content[:200])


async def test_an_argument_of_any_name_is_not_an_error_of_the_proxy(path: Path) -> None:
    names = {"self", "process", "action", "body", "method", "arguments", "node", "data", "sender", "name", "modules"}
    async with proxies(path) as served, httpx.AsyncClient(base_url=served.url) as http:
        for name in sorted(names | METHODS):
            for method in ("nameOf", "listMessages"):
                arguments = {"addr": "0x" + "11" * 20, name: 1}
                response = await http.post("/contract/ask", json={"method": method, "arguments": arguments})
                assert response.status_code < 500, (name, response.text)
        arguments = dict.fromkeys(names | METHODS, 1)
        for method in METHODS:
            response = await http.post("/contract/ask", json={"method": method, "arguments": arguments})
            assert response.status_code < 500, (method, response.text)


async def test_a_websocket_is_refused_with_a_reason_of_any_characters(path: Path) -> None:
    async with proxies(path) as served:
        client = Client(served.url)
        await client.login()
        url = f"{served.url.replace('http', 'ws', 1)}/ws?token={client.token}&since={quote('中' * 80)}"
        async with websockets.connect(url) as socket:
            with pytest.raises(websockets.ConnectionClosed, match=r"1008 .*there is no message '中中"):
                await socket.recv()
