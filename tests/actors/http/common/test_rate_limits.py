from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from actors.http.common.rate_limits import RateLimits
from tests.actors.http.served_node import served
from tests.actors.people import ALICE, BOB, item


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


async def test_without_the_option_nobody_is_counted(path: Path) -> None:
    async with served(path) as server:
        for _ in range(50):
            await server.get("/health")
