"""The pages in a real browser: with a mouse, with a keyboard and on a phone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.actors.http.browser import browser_page
from tests.actors.http.serve_command import mostao_serve
from tests.actors.people import ALICE, item

NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def url(path: Path) -> Iterator[str]:
    with mostao_serve(path) as url:
        yield url


def register(url: str, name: str) -> str:
    registry = httpx.get(f"{url}/info").json()["registry"]
    raw = item(ALICE, registry, "Register", {"handle": name, "pubkey": "k"})
    message = httpx.post(url, content=raw).json()["id"]
    reply = httpx.get(f"{url}/result/{message}").json()["Messages"][0]["Data"]
    return str(json.loads(reply)["pid"])


def test_messages_appear_as_they_come_and_the_keyboard_is_enough(url: str) -> None:
    with browser_page() as page:
        wrong: list[Any] = []
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(error))
        page.goto(f"{url}/explorer")
        page.wait_for_selector("[data-status] >> text=New messages appear")
        alice = register(url, "alice")
        page.wait_for_selector("tr.new >> text=@alice")
        sequences = page.eval_on_selector_all("[data-sequence]", "rows => rows.map(row => +row.dataset.sequence)")
        assert sequences == sorted(sequences, reverse=True) == [3, 2, 1]
        page.keyboard.press("/")
        page.keyboard.type("@alice")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/explorer/process/{alice}")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        assert page.text_content("h1") == "@alice"
        assert wrong == []


def test_figures_move_and_the_snippet_can_be_copied(url: str) -> None:
    with browser_page() as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(url)
        assert page.text_content("[data-figure=events]") == "1"
        register(url, "alice")
        page.wait_for_selector("[data-figure=events] >> text=3")
        page.click("[data-copy]")
        page.wait_for_selector("text=Copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.text_content("#snippet")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_phone_shows_every_page_without_scrolling_sideways(url: str, scheme: str) -> None:
    alice = register(url, "a-rather-long-name-of-a-handle")
    with browser_page(viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
        colours = set()
        for place in (
            "/",
            "/explorer",
            f"/explorer/process/{alice}",
            f"/explorer/message/{alice}",
            "/explorer/search?q=x",
        ):
            page.goto(url + place)
            assert page.evaluate(NO_SIDEWAYS), place
            colours.add(page.evaluate("getComputedStyle(document.body).color"))
        assert colours == ({"rgb(255, 255, 255)"} if scheme == "dark" else {"rgb(0, 0, 0)"})
