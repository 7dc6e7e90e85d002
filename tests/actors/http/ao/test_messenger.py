import asyncio
from pathlib import Path

from actors.ans104.external_wallets import ArweaveWallet, EthereumWallet
from actors.ans104.signer import Signer
from tests.actors.http.served_node import served
from tests.actors.people import ALICE, BOB, NODE, item, register


async def test_an_item_is_durable_when_it_is_answered(path: Path) -> None:
    async with served(path) as server:
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        response = await server.client.post("/", content=raw)
        assert response.status_code == 202
        assert response.json()["message"] == "Processing DataItem"
        found = await server.node.read(lambda log: log.find(response.json()["id"]))
        assert found is not None
        assert found.message.data == b'{"handle": "alice", "pubkey": "k"}'


async def test_takes_every_kind_of_wallet(path: Path) -> None:
    wallets: list[Signer] = [ALICE, ArweaveWallet.create(), EthereumWallet(bytes(31) + b"\1")]
    async with served(path) as server:
        for number, signer in enumerate(wallets):
            body = f'{{"handle": "person{number}", "pubkey": "k"}}'
            answer = await server.answer(signer.sign(target=server.node.registry, action="Register", data=body))
            assert answer["status"] == "success"
            [row] = await server.ask(server.node.registry, "GetHandles", f'{{"owner": "{signer.address}"}}')
            assert row == {"handle": f"person{number}", "pid": answer["pid"]}


async def test_what_is_no_item_is_refused_with_the_reason(path: Path) -> None:
    async with served(path, data_bytes_max=1000) as server:
        good = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        forged = good[:-3] + b"xx}"
        assert "empty" in await server.refusal(400, "POST", "/")
        assert "unknown signature type" in await server.refusal(400, "POST", "/", content=b"hello there")
        assert "truncated" in await server.refusal(400, "POST", "/", content=good[:100])
        assert "signature does not match" in await server.refusal(400, "POST", "/", content=forged)
        stray = item(ALICE, ALICE.address, "Register")
        assert "there is no process" in await server.refusal(404, "POST", "/", content=stray)
        big = item(ALICE, server.node.registry, "Register", "x" * 1001)
        assert "1,001 bytes" in await server.refusal(413, "POST", "/", content=big)
        assert "larger than" in await server.refusal(413, "POST", "/", content=bytes(20_000))
        assert server.node.sequence == 1


async def test_the_same_item_from_many_clients_is_one_message(path: Path) -> None:
    async with served(path) as server:
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        ids = await asyncio.gather(*(server.post(raw) for _ in range(50)))
        assert len(set(ids)) == 1
        assert server.node.sequence == 3  # the registry, the message, the handle


async def test_a_client_that_hangs_up_loses_the_answer_and_not_the_message(path: Path) -> None:
    async with served(path) as server:
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)
        await writer.drain()
        writer.close()
        assert (await server.answer(raw))["status"] == "success"
        assert server.node.sequence == 3


async def test_a_wallet_starts_a_process_of_a_module(path: Path) -> None:
    async with served(path) as server:
        a, b = await register(server.node, ALICE, "alice"), await register(server.node, BOB, "bob")
        tags = [("Type", "Process"), ("Module", "mostao.session@3"), ("Scheduler", NODE.address)]
        session = await server.post(ALICE.sign(tags=tags, data=f'{{"a": "{a}", "b": "{b}"}}'))
        assert await server.ask(session, "GetCurrentKeys") == []
        unknown = ALICE.sign(tags=[("Type", "Process"), ("Module", "mostao.nothing@1")])
        assert "there is no module 'mostao.nothing@1'" in await server.refusal(400, "POST", "/", content=unknown)


async def test_a_message_is_assigned_to_the_process_that_it_is_signed_for(path: Path) -> None:
    async with served(path) as server:
        registry = server.node.registry
        message = await server.post(item(ALICE, registry, "Register", {"handle": "alice", "pubkey": "k"}))
        alice = (await server.ask(registry, "QueryHandle", '{"handle": "alice"}'))["pid"]
        events = server.node.sequence
        response = await server.client.post("/", params={"process-id": registry, "assign": message})
        assert (response.status_code, response.json()["id"]) == (202, message)
        elsewhere = {"process-id": alice, "assign": message}
        assert "is assigned to no other" in await server.refusal(403, "POST", "/", params=elsewhere)
        nothing = {"process-id": registry, "assign": "nothing"}
        assert "there is no message" in await server.refusal(404, "POST", "/", params=nothing)
        assert server.node.sequence == events


async def test_nothing_here_needs_to_be_monitored(path: Path) -> None:
    async with served(path) as server:
        raw = item(ALICE, server.node.registry, "x")
        for method in ("POST", "DELETE"):
            response = await server.client.request(method, f"/monitor/{server.node.registry}", content=raw)
            assert response.status_code == 200
        assert "no process" in await server.refusal(404, "POST", "/monitor/nobody", content=raw)
        forged = raw + b"more"
        assert "signature" in await server.refusal(400, "POST", f"/monitor/{server.node.registry}", content=forged)
