import asyncio
from pathlib import Path

from actors.ans104.external_wallets import ArweaveWallet, EthereumWallet
from actors.ans104.signer import Signer
from tests.actors.http.served import served
from tests.actors.people import ALICE, BOB, NODE, item, register


async def test_an_item_is_durable_when_it_is_answered(path: Path) -> None:
    async with served(path) as face:
        raw = item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        response = await face.client.post("/", content=raw)
        assert response.status_code == 202
        assert response.json()["message"] == "Processing DataItem"
        found = await face.node.read(lambda log: log.find(response.json()["id"]))
        assert found is not None
        assert found.message.data == b'{"handle": "alice", "pubkey": "k"}'


async def test_takes_every_kind_of_wallet(path: Path) -> None:
    wallets: list[Signer] = [ALICE, ArweaveWallet.create(), EthereumWallet(bytes(31) + b"\1")]
    async with served(path) as face:
        for number, signer in enumerate(wallets):
            body = f'{{"handle": "person{number}", "pubkey": "k"}}'
            answer = await face.answer(signer.sign(target=face.node.registry, action="Register", data=body))
            assert answer["status"] == "success"
            [row] = await face.ask(face.node.registry, "GetHandles", f'{{"owner": "{signer.address}"}}')
            assert row == {"handle": f"person{number}", "pid": answer["pid"]}


async def test_what_is_no_item_is_refused_with_the_reason(path: Path) -> None:
    async with served(path, data_bytes_max=1000) as face:
        good = item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        forged = good[:-3] + b"xx}"
        assert "empty" in await face.refusal(400, "POST", "/")
        assert "unknown signature type" in await face.refusal(400, "POST", "/", content=b"hello there")
        assert "truncated" in await face.refusal(400, "POST", "/", content=good[:100])
        assert "signature does not match" in await face.refusal(400, "POST", "/", content=forged)
        stray = item(ALICE, ALICE.address, "Register")
        assert "there is no process" in await face.refusal(404, "POST", "/", content=stray)
        big = item(ALICE, face.node.registry, "Register", "x" * 1001)
        assert "1,001 bytes" in await face.refusal(413, "POST", "/", content=big)
        assert "larger than" in await face.refusal(413, "POST", "/", content=bytes(20_000))
        assert face.node.sequence == 1


async def test_the_same_item_from_many_clients_is_one_message(path: Path) -> None:
    async with served(path) as face:
        raw = item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        ids = await asyncio.gather(*(face.post(raw) for _ in range(50)))
        assert len(set(ids)) == 1
        assert face.node.sequence == 3  # the registry, the message, the handle


async def test_a_client_that_hangs_up_loses_the_answer_and_not_the_message(path: Path) -> None:
    async with served(path) as face:
        raw = item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        _, writer = await asyncio.open_connection(*face.address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)
        await writer.drain()
        writer.close()
        assert (await face.answer(raw))["status"] == "success"
        assert face.node.sequence == 3


async def test_a_wallet_starts_a_process_of_a_module(path: Path) -> None:
    async with served(path) as face:
        a, b = await register(face.node, ALICE, "alice"), await register(face.node, BOB, "bob")
        tags = [("Type", "Process"), ("Module", "mostao.session@1"), ("Scheduler", NODE.address)]
        session = await face.post(ALICE.sign(tags=tags, data=f'{{"a": "{a}", "b": "{b}"}}'))
        assert await face.ask(session, "GetCurrentKeys") == []
        unknown = ALICE.sign(tags=[("Type", "Process"), ("Module", "mostao.nothing@1")])
        assert "there is no module 'mostao.nothing@1'" in await face.refusal(400, "POST", "/", content=unknown)


async def test_a_message_is_assigned_to_the_process_that_it_is_signed_for(path: Path) -> None:
    async with served(path) as face:
        registry = face.node.registry
        message = await face.post(item(ALICE, registry, "Register", {"handle": "alice", "pubkey": "k"}))
        alice = (await face.ask(registry, "QueryHandle", '{"handle": "alice"}'))["pid"]
        events = face.node.sequence
        response = await face.client.post("/", params={"process-id": registry, "assign": message})
        assert (response.status_code, response.json()["id"]) == (202, message)
        elsewhere = {"process-id": alice, "assign": message}
        assert "is assigned to no other" in await face.refusal(403, "POST", "/", params=elsewhere)
        nothing = {"process-id": registry, "assign": "nothing"}
        assert "there is no message" in await face.refusal(404, "POST", "/", params=nothing)
        assert face.node.sequence == events


async def test_nothing_here_needs_to_be_monitored(path: Path) -> None:
    async with served(path) as face:
        raw = item(ALICE, face.node.registry, "x")
        for method in ("POST", "DELETE"):
            response = await face.client.request(method, f"/monitor/{face.node.registry}", content=raw)
            assert response.status_code == 200
        assert "no process" in await face.refusal(404, "POST", "/monitor/nobody", content=raw)
        forged = raw + b"more"
        assert "signature" in await face.refusal(400, "POST", f"/monitor/{face.node.registry}", content=forged)
