import json
from base64 import b64encode
from pathlib import Path

from tests.actors.http.served import served
from tests.actors.people import ALICE, BOB, KEYS, NOW_MS, item, relay, talking


async def test_a_result_has_the_reply_first_and_all_that_was_caused(path: Path) -> None:
    async with served(path) as face:
        raw = item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        message = await face.post(raw)
        result = await face.get(f"/result/{message}", **{"process-id": face.node.registry})
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
        assert {"name": "Module", "value": "mostao.handle@1"} in spawn["Tags"]


async def test_a_refusal_is_an_answer_and_an_error(path: Path) -> None:
    async with served(path) as face:
        message = await face.post(item(ALICE, face.node.registry, "Register", {"handle": ""}))
        result = await face.get(f"/result/{message}")
        assert json.loads(result["Messages"][0]["Data"]) == {"status": "error", "message": result["Error"]}


async def test_a_result_from_before_the_restart_is_the_same(path: Path) -> None:
    async with served(path) as face:
        message = await face.post(item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"}))
        before = await face.get(f"/result/{message}")
    async with served(path) as face:
        assert await face.get(f"/result/{message}") == before


async def test_a_result_that_there_is_not(path: Path) -> None:
    async with served(path) as face:
        message = await face.post(item(ALICE, face.node.registry, "Register", {"handle": "alice", "pubkey": "k"}))
        assert "there is no message 'nothing'" in await face.refusal(404, "GET", "/result/nothing")
        elsewhere = await face.refusal(404, "GET", f"/result/{message}", params={"process-id": "x"})
        assert elsewhere == f"there is no message '{message}' for process 'x'"


async def test_results_go_page_by_page_in_both_directions(path: Path) -> None:
    async with served(path) as face:
        a, _, session = await talking(face.node)
        for number in range(7):
            await face.node.send(relay(ALICE, a, session, "SendMessage", {"content": f"m{number}"}))
        every = await face.get(f"/results/{session}", limit=1000)
        nodes = [edge["node"] for edge in every["edges"]]
        assert len(nodes) == 9  # its start, the key, seven messages
        assert every["pageInfo"] == {"hasNextPage": False}
        for sort in ("ASC", "DESC"):
            seen, cursor, more = [], None, True
            while more:
                query = {"limit": 4, "sort": sort, **({"from": cursor} if cursor else {})}
                page = await face.get(f"/results/{session}", **query)
                seen += [edge["node"] for edge in page["edges"]]
                cursor, more = page["edges"][-1]["cursor"], page["pageInfo"]["hasNextPage"]
            assert seen == (nodes if sort == "ASC" else nodes[::-1])
        third = every["edges"][2]["cursor"]
        until = await face.get(f"/results/{session}", to=third)
        assert [edge["node"] for edge in until["edges"]] == nodes[:3]
        later = await face.get(f"/results/{session}", **{"from": NOW_MS})
        assert later["edges"] == []
        assert len((await face.get(f"/results/{session}", **{"from": NOW_MS - 1}))["edges"]) == 9


async def test_what_results_cannot_be_asked_for(path: Path) -> None:
    async with served(path) as face:
        results = f"/results/{face.node.registry}"
        assert "there is no process 'x'" in await face.refusal(404, "GET", "/results/x")
        assert "limit is '0'" in await face.refusal(400, "GET", results, params={"limit": "0"})
        assert "limit is 'many'" in await face.refusal(400, "GET", results, params={"limit": "many"})
        assert "ASC or DESC" in await face.refusal(400, "GET", results, params={"sort": "up"})
        for cursor in ("nonsense", b64encode(b"{}").decode(), b64encode(b'{"timestamp": 1}').decode()):
            assert "no cursor" in await face.refusal(400, "GET", results, params={"from": cursor})


async def test_a_dryrun_leaves_no_trace(path: Path) -> None:
    async with served(path) as face:
        events = face.node.sequence
        answer = await face.ask(face.node.registry, "Register", '{"handle": "alice", "pubkey": "k"}', BOB.address)
        assert answer["status"] == "success"
        assert face.node.sequence == events
        answer = await face.ask(face.node.registry, "QueryHandle", '{"handle": "alice"}')
        assert answer["registered"] is False


async def test_a_dryrun_that_is_none(path: Path) -> None:
    async with served(path, data_bytes_max=100) as face:
        assert "this is no dryrun" in await face.refusal(400, "POST", "/dry-run", content=b"{")
        assert "this is no dryrun" in await face.refusal(400, "POST", "/dry-run", json={"Tags": "x"})
        assert "there is no process 'x'" in await face.refusal(404, "POST", "/dry-run", json={"Target": "x"})
        large = {"Target": face.node.registry, "Data": "x" * 101}
        assert "101 bytes" in await face.refusal(413, "POST", "/dry-run", json=large)


async def test_every_query_is_answered_by_both_ways(path: Path) -> None:
    async with served(path) as face:
        a, _, session = await talking(face.node)
        keys = await face.ask(session, "GetCurrentKeys")
        assert keys == [{"generation": 1, **KEYS}]
        assert await face.answer(item(ALICE, session, "GetCurrentKeys")) == keys
        chats = await face.ask(a, "GetChatList", owner=ALICE.address)
        assert [chat["sessionID"] for chat in chats] == [session]
