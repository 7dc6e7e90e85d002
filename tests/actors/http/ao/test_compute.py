import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.actors.http.served_node import served
from tests.actors.people import ALICE, BOB, KEYS, NOW_MS, item, relay, talking


async def test_a_result_has_the_reply_first_and_all_that_was_caused(path: Path) -> None:
    async with served(path) as server:
        raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        message = await server.post(raw)
        result = await server.get(f"/result/{message}", **{"process-id": server.node.registry})
        assert list(result) == ["Messages", "Spawns", "Assignments", "Output", "GasUsed"]
        [reply], [spawn] = result["Messages"], result["Spawns"]
        assert reply["Target"] == ALICE.address
        assert reply["Tags"][:4] == [
            {"name": "Data-Protocol", "value": "ao"},
            {"name": "Type", "value": "Message"},
            {"name": "Variant", "value": "ao.TN.1"},
            {"name": "Reference", "value": "1"},
        ]
        assert json.loads(reply["Data"])["status"] == "success"
        assert {"name": "Module", "value": "mostao.handle@2"} in spawn["Tags"]


async def test_a_refusal_is_an_answer_and_an_error(path: Path) -> None:
    async with served(path) as server:
        message = await server.post(item(ALICE, server.node.registry, "Register", {"handle": ""}))
        result = await server.get(f"/result/{message}")
        assert json.loads(result["Messages"][0]["Data"]) == {"status": "error", "message": result["Error"]}


async def test_a_result_from_before_the_restart_is_the_same(path: Path) -> None:
    async with served(path) as server:
        message = await server.post(item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"}))
        before = await server.get(f"/result/{message}")
    async with served(path) as server:
        assert await server.get(f"/result/{message}") == before


async def test_a_result_that_there_is_not(path: Path) -> None:
    async with served(path) as server:
        message = await server.post(item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"}))
        assert "there is no message 'nothing'" in await server.refusal(404, "GET", "/result/nothing")
        elsewhere = await server.refusal(404, "GET", f"/result/{message}", params={"process-id": "x"})
        assert elsewhere == f"there is no message '{message}' for process 'x'"


async def test_results_go_page_by_page_in_both_directions(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        for number in range(7):
            await server.node.send(relay(ALICE, a, session, "SendMessage", {"content": f"m{number}"}))
        every = await server.get(f"/results/{session}", limit=1000)
        nodes = [edge["node"] for edge in every["edges"]]
        assert len(nodes) == 9  # its start, the key, seven messages
        assert every["pageInfo"] == {"hasNextPage": False}
        for sort in ("ASC", "DESC"):
            seen, cursor, more = [], None, True
            while more:
                query = {"limit": 4, "sort": sort, **({"from": cursor} if cursor else {})}
                page = await server.get(f"/results/{session}", **query)
                seen += [edge["node"] for edge in page["edges"]]
                cursor, more = page["edges"][-1]["cursor"], page["pageInfo"]["hasNextPage"]
            assert seen == (nodes if sort == "ASC" else nodes[::-1])
        third = every["edges"][2]["cursor"]
        until = await server.get(f"/results/{session}", to=third)
        assert [edge["node"] for edge in until["edges"]] == nodes[:3]
        later = await server.get(f"/results/{session}", **{"from": NOW_MS})
        assert later["edges"] == []
        assert len((await server.get(f"/results/{session}", **{"from": NOW_MS - 1}))["edges"]) == 9


async def test_results_begin_and_end_at_a_time_in_both_directions(path: Path) -> None:
    times = iter(range(NOW_MS, NOW_MS + 100))
    async with served(path, clock=lambda: next(times)) as server:
        for _ in range(4):
            await server.node.send(item(ALICE, server.node.registry, "QueryHandle", {"handle": "alice"}))
        results = f"/results/{server.node.registry}"
        edges = (await server.get(results))["edges"]
        cursors = [json.loads(b64decode(edge["cursor"])) for edge in edges]
        at = [cursor["timestamp"] for cursor in cursors]
        assert len(set(at)) == 5

        async def slots(**query: Any) -> list[int]:
            page = await server.get(results, **query)
            return [int(json.loads(b64decode(edge["cursor"]))["ordinate"]) for edge in page["edges"]]

        for slot in range(5):
            older, newer = list(range(slot + 1)), list(range(slot + 1, 5))
            assert await slots(sort="ASC", **{"from": at[slot]}) == newer
            assert await slots(sort="ASC", to=at[slot]) == older
            assert await slots(sort="DESC", **{"from": at[slot]}) == older[::-1]
            assert await slots(sort="DESC", to=at[slot]) == newer[::-1]
        assert await slots(sort="DESC", **{"from": at[0] - 1}) == []
        assert await slots(sort="DESC", to=at[0] - 1) == [4, 3, 2, 1, 0]
        assert await slots(sort="DESC", **{"from": at[4] + 1}) == [4, 3, 2, 1, 0]


async def test_what_results_cannot_be_asked_for(path: Path) -> None:
    async with served(path) as server:
        results = f"/results/{server.node.registry}"
        assert "there is no process 'x'" in await server.refusal(404, "GET", "/results/x")
        assert "limit is '0'" in await server.refusal(400, "GET", results, params={"limit": "0"})
        assert "limit is 'many'" in await server.refusal(400, "GET", results, params={"limit": "many"})
        assert "ASC or DESC" in await server.refusal(400, "GET", results, params={"sort": "up"})
        for cursor in ("nonsense", b64encode(b"{}").decode(), b64encode(b'{"timestamp": 1}').decode()):
            assert "not a cursor" in await server.refusal(400, "GET", results, params={"from": cursor})


async def test_a_dryrun_leaves_no_trace(path: Path) -> None:
    async with served(path) as server:
        events = server.node.sequence
        answer = await server.ask(server.node.registry, "Register", '{"handle": "alice", "pubkey": "k"}', BOB.address)
        assert answer["status"] == "success"
        assert server.node.sequence == events
        answer = await server.ask(server.node.registry, "QueryHandle", '{"handle": "alice"}')
        assert answer["registered"] is False


async def test_a_dryrun_that_is_none(path: Path) -> None:
    async with served(path, data_bytes_max=100) as server:
        assert "not a dryrun" in await server.refusal(400, "POST", "/dry-run", content=b"{")
        assert "not a dryrun" in await server.refusal(400, "POST", "/dry-run", json={"Tags": "x"})
        assert "there is no process 'x'" in await server.refusal(404, "POST", "/dry-run", json={"Target": "x"})
        large = {"Target": server.node.registry, "Data": "x" * 101}
        assert "101 bytes" in await server.refusal(413, "POST", "/dry-run", json=large)


async def test_every_query_is_answered_by_both_ways(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        keys = await server.ask(session, "GetCurrentKeys")
        assert keys == [{"generation": 1, **KEYS}]
        assert await server.answer(item(ALICE, session, "GetCurrentKeys")) == keys
        chats = await server.ask(a, "GetChatList", owner=ALICE.address)
        assert [chat["sessionID"] for chat in chats] == [session]


NESTED = "[" * 50_000 + "]" * 50_000


@pytest.mark.parametrize("recursion_limit", [1_000, 100_000], indirect=True)
@pytest.mark.usefixtures("recursion_limit")
@pytest.mark.parametrize("body", [NESTED, f'{{"x": {NESTED}}}', '{"Data": "\\ud800"}', '{"Owner": "\\udfff"}'])
async def test_a_dryrun_that_is_nested_deeply_or_has_broken_characters_is_the_clients_mistake(
    path: Path, body: str
) -> None:
    async with served(path) as server:
        assert "not a dryrun" in await server.refusal(400, "POST", "/dry-run", content=body)


@pytest.mark.parametrize("slot", ["9" * 30, "9" * 5_000, "-1", "x"])
async def test_a_cursor_that_the_node_did_not_make_is_the_clients_mistake(path: Path, slot: str) -> None:
    async with served(path) as server:
        results = f"/results/{server.node.registry}"
        for made_up in (f'{{"timestamp": 1, "ordinate": "{slot}"}}', "[" * 20_000):
            cursor = b64encode(made_up.encode()).decode()
            assert "not a cursor" in await server.refusal(400, "GET", results, params={"from": cursor})
