from pathlib import Path

import click
import httpx
import pytest
from starlette.exceptions import HTTPException

from actors import Limits
from actors.cli.append_options import Limit
from actors.http.common.rate_limits import RateLimits
from actors.node.limits import PerPeriod
from tests.actors.http.served_node import ServedNode, served
from tests.actors.people import ALICE, BOB, EVE, item


async def test_an_address_may_ask_only_so_often(path: Path) -> None:
    async with served(path, rate="5/hour") as server:
        for _ in range(5):
            await server.get("/health")
        response = await server.client.get("/health")
        assert response.status_code == 429
        assert response.json() == {"error": "rate limit: at most 5 per 1 hour from one address; try again later"}
        assert response.headers["Retry-After"] == "1"


def test_an_owner_may_send_only_so_often_and_what_was_forged_does_not_count() -> None:
    rates = RateLimits("2/hour")
    raw = item(ALICE, ALICE.address, "x")
    for _ in range(5):
        rates.check_owner(raw)  # checked, and found forged: not counted
    for _ in range(2):
        rates.count_owner(rates.check_owner(raw))
    with pytest.raises(HTTPException) as refused:
        rates.check_owner(raw)
    assert (refused.value.status_code, refused.value.detail) == (
        429,
        "rate limit: at most 2 per 1 hour from one owner; try again later",
    )
    rates.count_owner(rates.check_owner(item(BOB, BOB.address, "x")))


async def test_an_item_that_is_sent_again_above_the_owners_limit_gets_its_first_result(path: Path) -> None:
    async with served(path, rate="3/hour") as server:
        raws = [item(ALICE, server.node.registry, "QueryHandle", {"handle": f"{number}"}) for number in range(4)]
        status = [
            await post_from(server, number, raw) for number, raw in enumerate((*raws, *raws, raws[0][:-1] + b"?"))
        ]
        assert status == [202, 202, 202, 429, 202, 202, 202, 429, 400]


async def post_from(server: ServedNode, number: int, raw: bytes) -> int:
    """Post an item from one of several addresses; returns the status."""
    transport = httpx.AsyncHTTPTransport(local_address=f"127.0.1.{number + 1}")
    async with httpx.AsyncClient(base_url=server.client.base_url, transport=transport) as client:
        return (await client.post("/", content=raw)).status_code


async def test_a_sender_whose_queries_append_too_much_gets_429_with_the_limit_and_the_time_to_wait(
    path: Path,
) -> None:
    limits = Limits(appended_max=PerPeriod(1_000_000, 60))
    async with served(path, limits=limits) as server:
        registered = await server.answer(item(ALICE, server.node.registry, "Register", {"handle": "alice"}))
        for number in range(3):
            await server.post(item(ALICE, registered["pid"], "ProfileUpdate", {f"{number}": "x" * 85_000}))
        posts = [await server.client.post("/", content=item(BOB, registered["pid"], "GetProfile")) for _ in range(6)]
        assert [post.status_code for post in posts] == [202] * 4 + [429] * 2
        error = posts[-1].json()["error"]
        assert error.startswith("append limit: the messages of one sender and all that they cause append at most")
        assert "1,000,000 bytes per minute; try again in " in error
        assert 0 < int(posts[-1].headers["Retry-After"]) <= 121
        await server.post(item(EVE, registered["pid"], "GetUnread"))


@pytest.mark.parametrize(
    ("text", "limit"),
    [("64MiB/minute", PerPeriod(2**26, 60)), ("1B/second", PerPeriod(1, 1)), ("none", None)],
)
def test_an_append_limit_is_an_amount_of_bytes_for_each_period(text: str, limit: PerPeriod | None) -> None:
    assert Limit(in_bytes=True).convert(text, None, None) == limit


@pytest.mark.parametrize(
    "text", ["", "64/minute", "0MiB/minute", "64MiB", "64MiB/week", "-1MiB/minute", "1.5MiB/minute"]
)
def test_another_append_limit_is_misuse(text: str) -> None:
    with pytest.raises(
        click.UsageError, match=r"is not a limit: write one as 64MiB/minute \(B, KiB, MiB or GiB; second, .* or none"
    ):
        Limit(in_bytes=True).convert(text, None, None)


async def test_without_the_option_nobody_is_counted(path: Path) -> None:
    async with served(path) as server:
        for _ in range(50):
            await server.get("/health")
