import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from actors.http.explorer.routes import _pages
from actors.http.explorer.view_models import Participant, Row, TreeNode
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, EVE, item, register, relay, talking

SCRIPT = "<script>alert(1)</script>"


async def html(server: ServedNode, path: str, status: int = 200, **query: str | int) -> str:
    response = await server.client.get(path, params=query or None, follow_redirects=True)
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in response.headers["content-security-policy"]
    return response.text


def words(page: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


async def test_the_first_page_says_what_this_node_is(path: Path) -> None:
    async with served(path) as server:
        page = words(await html(server, "/"))
        assert server.node.registry in page
        assert server.node.address in page
        assert f"const url = '{str(server.client.base_url).rstrip('/')}'" in page


async def test_messages_newest_first_and_page_by_page(path: Path) -> None:
    async with served(path) as server:
        await talking(server.node)
        for _ in range(60):
            await server.node.send(item(ALICE, server.node.registry, "QueryHandle", {"handle": "alice"}))
        end = server.node.sequence
        seen: list[int] = []
        url: str | None = "/explorer"
        while url:
            page = await html(server, url)
            seen += map(int, re.findall(r'data-sequence="(\d+)"', page))
            older = re.search(r'href="(/explorer\?before=\d+)" rel="next"', page)
            url = older[1] if older else None
        assert seen == list(range(end, 0, -1))


async def test_a_message_shows_what_caused_it_and_what_it_caused(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        result = await server.node.send(relay(ALICE, a, session, "SendMessage", {"content": "c2VjcmV0"}))
        await server.node.drain()
        [sent] = [message for message in result.messages if message.target == session]
        for message in (result.message_id, sent.id):
            page = words(await html(server, f"/explorer/message/{message}"))
            assert re.search(
                r"RelayMessage \S+ → @alice .* SendMessage @alice → session \S+ .* Notify session \S+ → @bob", page
            )
        assert "follows from the message that caused it" in page
        assert '"content": "c2VjcmV0"' in page
        refused = await server.node.send(item(EVE, a, "ProfileUpdate", {"name": "x"}))
        assert "refused: only the owner can do that" in words(
            await html(server, f"/explorer/message/{refused.message_id}")
        )


async def test_a_process_shows_its_state_at_any_event(path: Path) -> None:
    async with served(path) as server:
        alice = await register(server.node, ALICE, "alice")
        first = server.node.sequence
        await server.node.send(item(ALICE, alice, "ProfileUpdate", {"name": "Alice A."}))
        page = words(await html(server, f"/explorer/process/{alice}"))
        assert "mostao.handle@2" in page
        assert '"name": "Alice A."' in page
        before = words(await html(server, f"/explorer/process/{alice}", at=first))
        assert '"pubkey": "k"' in before
        assert "Alice A." not in before.partition("Messages")[0].partition("State")[2]
        assert "The process did not exist yet" in words(await html(server, f"/explorer/process/{alice}", at=1))


async def test_search_finds_handles_ids_and_addresses(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        result = await server.node.send(item(ALICE, a, "GetProfile"))
        for q, target in (
            ("@alice", f"/explorer/process/{a}"),
            ("ALICE", f"/explorer/process/{a}"),
            (session, f"/explorer/process/{session}"),
            (f" {result.message_id} ", f"/explorer/message/{result.message_id}"),
        ):
            response = await server.client.get("/explorer/search", params={"q": q})
            assert (response.status_code, response.headers["location"]) == (303, target)
        assert "@alice" in words(await html(server, "/explorer/search", q=ALICE.address))
        for q in ("@nobody", "x" * 43, SCRIPT):
            assert "Nothing found" in words(await html(server, "/explorer/search", 404, q=q))
        await html(server, "/explorer/search", 400, q="  ")


async def test_what_people_write_is_never_markup(path: Path) -> None:
    async with served(path) as server:
        alice = await register(server.node, ALICE, SCRIPT)
        raw = item(ALICE, alice, "ProfileUpdate", {"name": SCRIPT, "bio": "'\"><img src=x onerror=alert(1)>"})
        profile = await server.node.send(raw)
        strange = await server.node.send(
            ALICE.sign(target=alice, action=SCRIPT, tags=[(SCRIPT, SCRIPT)], data=b"\xff\0<b>")
        )
        pages = [
            "/explorer",
            f"/explorer/process/{alice}",
            f"/explorer/search?q={SCRIPT}",
            f"/explorer/search?q=x{SCRIPT}",
        ]
        pages += [f"/explorer/message/{message.message_id}" for message in (profile, strange)]
        for url in pages:
            page = (await server.client.get(url, follow_redirects=True)).text
            assert "<script>" not in page
            assert "<img" not in page
            assert "<b>" not in page


async def test_what_is_not_there_is_said(path: Path) -> None:
    async with served(path) as server:
        for url in ("/explorer/process/nothing", "/explorer/message/nothing"):
            assert "there is no" in words(await html(server, url, 404))
        assert "has to be a number" in await server.refusal(400, "GET", "/explorer", params={"before": "x"})


async def test_new_messages_and_figures_come_as_events(path: Path) -> None:
    async with served(path) as server:
        async with server.client.stream("GET", "/explorer/events", params={"after": 0}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.aiter_lines()
            told = ""
            while "data-sequence" not in told or "event: figures" not in told:
                told += await anext(lines) + "\n"
            raw = item(ALICE, server.node.registry, "Register", {"handle": "alice", "pubkey": "k"})
            await server.post(raw)
            while "@alice" not in told:
                told += await anext(lines) + "\n"
        server.servers.stop()


@pytest.mark.parametrize("unit", ["compute", "scheduler"])
async def test_a_unit_by_itself_has_no_pages(path: Path, unit: str) -> None:
    async with served(path, units=(unit,)) as server, httpx.AsyncClient(base_url=server.units[unit]) as client:
        assert (await client.get("/explorer")).status_code == 404


@pytest.mark.parametrize("recursion_limit", [1_000, 100_000], indirect=True)
@pytest.mark.usefixtures("recursion_limit")
async def test_data_nested_deeply_is_shown_as_it_is(path: Path) -> None:
    nested = "[" * 50_000 + "]" * 50_000
    async with served(path) as server:
        sent = await server.node.send(item(ALICE, server.node.registry, "x", nested))
        assert nested[:60_000] in await html(server, f"/explorer/message/{sent.message_id}")


def test_a_tree_of_any_depth_is_shown() -> None:
    person = Participant("id", "label", is_process=True)
    rows = [Row(number, f"m{number}", "", "", person, person, None, None) for number in range(5000)]
    nodes = [TreeNode(row, True, 0) for row in rows[:-1]] + [TreeNode(rows[-1], False, len(rows) - 1)]
    page = str(_pages.get_template("parts.html").module.tree(nodes, "m3"))  # type: ignore[attr-defined]
    assert page.count("<ul") == page.count("</ul>") == page.count("<li") == page.count("</li>") == 5000
    assert page.count('aria-current="true"') == 1


async def test_a_tree_nests_each_message_below_its_cause(path: Path) -> None:
    async with served(path) as server:
        a, _, session = await talking(server.node)
        result = await server.node.send(relay(ALICE, a, session, "SendMessage", {"content": "c2VjcmV0"}))
        await server.node.drain()
        page = await html(server, f"/explorer/message/{result.message_id}")
        tree = page.partition('<ul class="tree">')[2].partition("<h2>")[0]
        shape = "".join(re.findall(r"</?(?:ul|li)", tree))
        assert shape == "<li<ul<li<ul<li</li</ul</li</ul</li</ul"


async def test_a_handle_is_labelled_as_the_registry_names_it(path: Path) -> None:
    def spawn(module: str, data: str = "") -> bytes:
        return EVE.sign(tags=[("Type", "Process"), ("Module", module)], data=data)

    async with served(path) as server:
        alice = await register(server.node, ALICE, "alice")
        fake = (await server.node.send(spawn("mostao.handle@2", '{"name": "alice"}'))).message_id
        false_registry = (await server.node.send(spawn("mostao.registry@3"))).message_id
        raw = item(EVE, false_registry, "Register", {"handle": "alice", "pubkey": "k"})
        of_false_registry = str((await server.node.send(raw)).answer["pid"])

        async def label(process: str) -> str:
            title = re.search(r"<h1>(.*?)</h1>", await html(server, f"/explorer/process/{process}"))
            assert title is not None
            return title[1]

        assert [await label(process) for process in (server.node.registry, alice)] == ["registry", "@alice"]
        assert await label(fake) == f"handle {fake[:10]}…"
        assert await label(of_false_registry) == f"handle {of_false_registry[:10]}…"
        assert await label(false_registry) == f"registry {false_registry[:10]}…"
        assert (await html(server, "/explorer")).count(">@alice<") == 1
        await server.node.send(item(ALICE, server.node.registry, "Renounce", {"handle": "alice"}))
        assert await label(alice) == f"handle {alice[:10]}…"
        await server.node.send(item(EVE, server.node.registry, "Register", {"handle": "Alice", "pid": fake}))
        assert await label(fake) == "@Alice"
        assert ">@Alice<" in await html(server, "/explorer")
