from base64 import urlsafe_b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from actors import Node
from actors.ans104.item import parse, unsigned
from actors.ao.assignments import KEPT_EVERY
from eventstore.records import decode_id, encode_id
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, BOB, NODE, NOW_MS, item, relay, talking


def raw_of(words: dict[str, Any]) -> bytes:
    """The bytes of an item, assembled from the fields on a page without help of the node."""
    key, signature = (urlsafe_b64decode(text + "==") for text in (words["owner"]["key"], words["signature"]))
    _, rest = unsigned(
        kind=2,
        public_key=key,
        target=decode_id(words["target"]) if words["target"] else b"",
        anchor=urlsafe_b64decode(words["anchor"] + "=="),
        tags=[(tag["name"], tag["value"]) for tag in words["tags"]],
        data=words["data"].encode(),
    )
    return b"\2\0" + signature + rest


def tag(words: dict[str, Any], name: str) -> str:
    return next(str(tag["value"]) for tag in words["tags"] if tag["name"] == name)


def verify_chain(process: str, edges: list[dict[str, Any]], scheduler: str) -> int:
    """Verify a process's chain as a client that does not trust the node: from the pages and the process id alone."""
    chain = sha256(decode_id(process)).digest()
    for nonce, edge in enumerate(edges):
        message, assignment = edge["node"]["message"], edge["node"]["assignment"]
        for words in (message, assignment):
            found = parse(raw_of(words))
            found.verify()
            pushed = words is message and found.id != words["id"]
            assert found.sender == scheduler if pushed else found.id == words["id"]
            assert not pushed or tag(message, "Id") == message["id"]
        assert assignment["owner"]["address"] == scheduler
        assert tag(assignment, "Nonce") == str(nonce)
        assert tag(assignment, "Process") == process
        assert tag(assignment, "Message") == message["id"]
        assert tag(assignment, "Hash-Chain") == encode_id(chain)
        chain = sha256(decode_id(assignment["id"]) + chain).digest()
    return len(edges)


async def pages(server: ServedNode, process: str, limit: int) -> list[dict[str, Any]]:
    edges: list[dict[str, Any]] = []
    more = True
    while more:
        query = {"limit": limit, **({"from": edges[-1]["cursor"]} if edges else {})}
        page = await server.get(f"/{process}", **query)
        edges += page["edges"]
        more = page["page_info"]["has_next_page"]
    return edges


async def test_a_client_verifies_every_chain_from_the_pages_alone(path: Path) -> None:
    async with served(path) as server:
        a, b, session = await talking(server.node)
        for number in range(5):
            await server.node.send(relay(BOB, b, session, "SendMessage", {"content": f"m{number} ünï"}))
        await server.node.drain()
        for process, count in ((server.node.registry, 4), (a, 8), (b, 7), (session, 7)):
            assert verify_chain(process, await pages(server, process, 2), NODE.address) == count


async def test_pages_are_the_same_wherever_they_begin_and_after_a_restart(path: Path) -> None:
    async with served(path) as server:
        for _ in range(KEPT_EVERY * 2 + 5):
            await server.node.send(item(ALICE, server.node.registry, "QueryHandle", {"handle": "a"}))
        every = await pages(server, server.node.registry, 1000)
        assert verify_chain(server.node.registry, every, NODE.address) == KEPT_EVERY * 2 + 6
    async with served(path) as server:
        for start in (KEPT_EVERY * 2, KEPT_EVERY - 1, 3):
            page = await server.get(f"/{server.node.registry}", **{"from": start, "limit": 4})
            assert page["edges"] == every[start + 1 : start + 5]


async def test_a_page_between_two_points(path: Path) -> None:
    async with served(path) as server:
        for _ in range(5):
            await server.node.send(item(ALICE, server.node.registry, "QueryHandle", {"handle": "a"}))
        page = await server.get(f"/{server.node.registry}", **{"from": 1, "to": 3})
        assert [edge["cursor"] for edge in page["edges"]] == ["2", "3"]
        assert page["page_info"] == {"has_next_page": False}
        assert (await server.get(f"/{server.node.registry}", **{"from": NOW_MS}))["edges"] == []
        assert len((await server.get(f"/{server.node.registry}", to=NOW_MS))["edges"]) == 6
        assert (await server.get(f"/{server.node.registry}", to=NOW_MS - 1))["edges"] == []
        assert "nonce" in await server.refusal(400, "GET", f"/{server.node.registry}", params={"from": "x"})


async def test_a_process_and_its_newest_message(path: Path) -> None:
    async with served(path) as server:
        a, _, _ = await talking(server.node)
        first = await server.get(f"/processes/{a}")
        assert (first["process_id"], first["nonce"], first["timestamp"]) == (a, 0, NOW_MS)
        assert tag(first, "Module") == "mostao.handle@2"
        assert tag(first, "From-Process") == server.node.registry
        latest = await server.get(f"/{a}/latest")
        assert latest == (await pages(server, a, 100))[-1]["node"]
        assert "no process" in await server.refusal(404, "GET", "/processes/nobody")
        assert "no process" in await server.refusal(404, "GET", "/nobody/latest")


async def test_a_message_by_its_id_says_what_it_was_pushed_for(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        sent = await server.node.send(relay(ALICE, a, session, "SendMessage", {"content": "hello"}))
        await server.node.drain()
        [child] = [message for message in sent.messages if message.target == session]
        node = await server.get(f"/{child.id}", **{"process-id": session})
        assert tag(node["message"], "Pushed-For") == sent.message_id
        assert tag(node["message"], "From-Module") == "mostao.handle@2"
        assert node == await server.get(f"/{child.id}")
        assert "neither" in await server.refusal(404, "GET", f"/{child.id}", params={"process-id": a})
        assert "neither" in await server.refusal(404, "GET", "/nothing")


async def test_a_message_with_more_tags_than_an_item_holds_is_told_whole(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        tags = {"Action": "SendMessage", **{f"tag{number}": "x" * 3000 for number in range(3)}}
        body = {"Target": session, "Data": '{"content": "hello"}', "Tags": tags}
        await server.node.send(item(ALICE, a, "RelayMessage", body))
        await server.node.drain()
        edges = await pages(server, session, 100)
        assert verify_chain(session, edges, NODE.address) == 3
        assert "x" * 3000 in edges[-1]["node"]["message"]["data"]


async def test_time_and_units_at_addresses_of_their_own(path: Path) -> None:
    async with served(path, units=("scheduler", "compute")) as server:
        assert await server.get("/timestamp") == {"timestamp": NOW_MS, "block_height": 1}
        scheduler, compute = server.units["scheduler"], server.units["compute"]
        assert (await server.get(f"{scheduler}/timestamp"))["block_height"] == 1
        assert (await server.get(f"{compute}/health")) == {"status": "ok", "events": 1}
        assert "Not Found" in await server.refusal(404, "GET", f"{compute}/timestamp")
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        response = await server.client.post(f"{scheduler}/", content=raw)
        assert (response.status_code, response.json()["timestamp"]) == (201, NOW_MS)


async def test_who_does_not_have_the_key_signs_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node.open(path, wallet=NODE):
        pass
    async with served(path, wallet=BOB) as server:
        message = await server.refusal(503, "GET", f"/{server.node.registry}")
        assert "does not have the key" in message
