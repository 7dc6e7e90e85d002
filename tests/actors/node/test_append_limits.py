"""Limits of what a sender appends: bytes and processes, of a sender and of a network address."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from actors import Node, Wallet
from actors.ans104.item import ItemForged, ItemRefused
from actors.node.append_limits import ADDRESS_FACTOR, AppendLimitReached, Budget, Charged, charged
from actors.node.limits import Limits, PerPeriod
from eventstore import read_log
from tests.actors.people import ALICE, BOB, EVE, NODE, item

MINUTE_S = 60


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def per_minute(amount: int) -> PerPeriod:
    return PerPeriod(amount, MINUTE_S)


async def refusal(node: Node, raw: bytes) -> AppendLimitReached | None:
    """The error of a sender that appended too much; None if the item was accepted."""
    try:
        await node.send(raw)
    except AppendLimitReached as error:
        return error
    return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("actors.node.append_limits.monotonic", clock)
    return clock


async def test_a_sender_is_charged_for_the_answers_to_its_queries_and_others_are_not(path: Path, clock: Clock) -> None:
    limits = Limits(appended_max=per_minute(600_000))
    async with Node.open(path, limits=limits) as node:
        a = (await node.send(item(ALICE, node.registry, "Register", {"handle": "alice"}))).answer["pid"]
        for number in range(2):
            await node.send(item(ALICE, a, "ProfileUpdate", {f"{number}": "x" * 100_000}))
        results = [await refusal(node, item(EVE, a, "GetProfile")) for _ in range(5)]
        limit = r"append limit: the messages of one sender .* at most 600,000 bytes per minute; try again in \d+ s"
        assert [bool(re.fullmatch(limit, str(result))) for result in results] == [False] * 3 + [True] * 2  # of 200 KB
        assert (await node.send(item(BOB, node.registry, "QueryHandle", {"handle": "alice"}))).error is None
        clock.now_s += 2 * MINUTE_S
        assert (await node.send(item(EVE, a, "GetProfile"))).error is None
        events = node.sequence
    assert read_log(path).head().sequence == events


async def test_items_that_arrive_together_are_refused_when_those_before_them_reached_the_limit(path: Path) -> None:
    async with Node.open(path, limits=Limits(appended_max=per_minute(600_000))) as node:
        a = (await node.send(item(ALICE, node.registry, "Register", {"handle": "alice"}))).answer["pid"]
        for number in range(2):
            await node.send(item(ALICE, a, "ProfileUpdate", {f"{number}": "x" * 100_000}))
        sends = [refusal(node, item(EVE, a, "GetProfile")) for _ in range(50)]
        refused = [error is not None for error in await asyncio.gather(*sends)]
        assert refused == [False] * 3 + [True] * 47


async def test_a_sender_starts_a_limited_number_of_processes_and_still_sends_messages(path: Path, clock: Clock) -> None:
    async with Node.open(path, limits=Limits(spawns_max=per_minute(3))) as node:
        for number in range(3):
            await node.send(item(ALICE, node.registry, "Register", {"handle": f"a{number}"}))
        for action, body in (("Register", {"handle": "a3"}), ("EstablishSession", {"handleA": "a0", "handleB": "a1"})):
            with pytest.raises(AppendLimitReached, match="one sender starts at most 3 processes per minute"):
                await node.send(item(ALICE, node.registry, action, body))
        with pytest.raises(AppendLimitReached):
            await node.send(ALICE.sign(tags=[("Type", "Process"), ("Module", "mostao.session@3")]))
        assert (await node.send(item(ALICE, node.registry, "GetHandles", {"owner": ALICE.address}))).error is None
        clock.now_s += 2 * MINUTE_S
        assert (await node.send(item(ALICE, node.registry, "Register", {"handle": "a3"}))).error is None


async def test_many_senders_at_one_address_start_a_limited_number_of_processes(path: Path) -> None:
    async with Node.open(path, limits=Limits(spawns_max=per_minute(1))) as node:

        async def register(number: int, address: str) -> None:
            charged.set(Charged(address=address))
            wallet = Wallet(number.to_bytes(32, "big"))
            await node.send(item(wallet, node.registry, "Register", {"handle": f"{number}"}))

        for number in range(1, ADDRESS_FACTOR + 1):
            await register(number, "192.0.2.1")
        with pytest.raises(AppendLimitReached, match="spawn limit: one address starts at most 20 processes per minute"):
            await register(100, "192.0.2.1")
        await register(100, "192.0.2.2")


async def test_a_proxys_user_is_charged_and_not_the_key_that_signs(path: Path) -> None:
    async with Node.open(path, limits=Limits(appended_max=per_minute(10_000))) as node:
        charged.set(Charged(b"one user"))
        query = {"handle": "x" * 60}
        refused = [await refusal(node, item(ALICE, node.registry, "QueryHandle", query)) for _ in range(20)]
        assert refused[0] is None
        assert refused[-1] is not None
        charged.set(Charged(b"another user"))
        await node.send(item(ALICE, node.registry, "QueryHandle", {"handle": "alice"}))


async def test_an_item_that_is_sent_again_above_the_limit_gets_its_first_result(path: Path) -> None:
    limits = Limits(appended_max=per_minute(3_000), spawns_max=per_minute(1))
    async with Node.open(path, limits=limits) as node:
        registered = item(ALICE, node.registry, "Register", {"handle": "alice"})
        first = await node.send(registered)
        while await refusal(node, item(ALICE, node.registry, "QueryHandle", {"handle": "alice"})) is None:
            pass
        assert await refusal(node, item(ALICE, node.registry, "Register", {"handle": "another"})) is not None
        assert await node.send(registered) == first
        events = node.sequence
        with pytest.raises(ItemForged):
            await node.send(registered[:-1] + b"?")
        assert node.sequence == events


async def test_the_nodes_own_key_is_not_charged_and_others_are(path: Path) -> None:
    limits = Limits(appended_max=per_minute(2_000), spawns_max=per_minute(1))
    async with Node.open(path, wallet=NODE, limits=limits) as node:
        for number in range(5):
            await node.send(item(NODE, node.registry, "Register", {"handle": f"n{number}"}))
        forged = item(NODE, node.registry, "Register", {"handle": "alice"})[:-2] + b"?}"
        with pytest.raises(ItemForged):
            await node.send(forged)
        await node.send(item(ALICE, node.registry, "Register", {"handle": "alice"}))
        with pytest.raises(AppendLimitReached):
            await node.send(item(ALICE, node.registry, "Register", {"handle": "another"}))


@pytest.mark.parametrize(("amounts", "retry_s"), [([99], 0), ([100], 61), ([200], 91), ([60, 60], 61)])
def test_a_budget_names_the_time_at_which_a_key_is_below_its_limit_again(amounts: list[int], retry_s: int) -> None:
    clock = Clock()
    budget = Budget(per_minute(100), clock)
    for amount in amounts:
        budget.add("key", amount)
    assert budget.retry_s("key") in (retry_s, retry_s + 10)
    assert budget.retry_s("another key") == 0
    if retry_s:
        clock.now_s += budget.retry_s("key") - 2
        assert budget.retry_s("key") > 0
        clock.now_s += budget.retry_s("key")
        assert budget.retry_s("key") == 0


def test_a_budget_keeps_no_key_longer_than_two_periods() -> None:
    clock = Clock()
    budget = Budget(per_minute(100), clock)
    for number in range(1000):
        clock.now_s += 1
        budget.add(number, 1)
    assert len(budget._present) + len(budget._last) <= 2 * MINUTE_S


def relayed(target: str, action: str, body: str) -> str:
    """The data of a RelayMessage, with the first letter of the action as an escape."""
    data = json.dumps({"Target": target, "Tags": {"Action": "@"}, "Data": body})
    return data.replace("@", f"\\u{ord(action[0]):04x}{action[1:]}")


async def test_a_relayed_action_with_escapes_counts_as_a_spawn(path: Path) -> None:
    async with Node.open(path, limits=Limits(spawns_max=per_minute(3))) as node:
        a = (await node.send(item(ALICE, node.registry, "Register", {"handle": "alice"}))).answer["pid"]
        for wallet, name in ((BOB, "bob"), (BOB, "ben"), (EVE, "eve"), (EVE, "eva")):
            await node.send(item(wallet, node.registry, "Register", {"handle": name}))

        async def establish(other: str) -> AppendLimitReached | None:
            data = relayed(node.registry, "EstablishSession", json.dumps({"otherHandle": other}))
            error = await refusal(node, ALICE.sign(target=a, action="RelayMessage", data=data))
            await node.drain()
            return error

        errors = [await establish(other) for other in ("bob", "ben", "eve", "eva")]
        assert [error is not None for error in errors] == [False, False, True, True]
        query = relayed(node.registry, "QueryHandle", json.dumps({"otherHandle": "EstablishSession"}))
        assert await refusal(node, ALICE.sign(target=a, action="RelayMessage", data=query)) is None


async def test_tags_and_the_envelope_are_charged(path: Path) -> None:
    async with Node.open(path, limits=Limits(appended_max=per_minute(20_000))) as node:
        tags = [("Action", "QueryHandle"), *[(f"t{number}", "x" * 1000) for number in range(3)]]
        raws = [ALICE.sign(target=node.registry, tags=tags, data=json.dumps({"handle": f"{n}"})) for n in range(5)]
        errors = [await refusal(node, raw) for raw in raws]
        assert [error is not None for error in errors] == [False, False, False, True, True]


async def test_many_senders_at_one_address_append_a_limited_number_of_bytes(path: Path) -> None:
    async with Node.open(path, limits=Limits(appended_max=per_minute(10_000))) as node:

        async def ask(number: int, address: str) -> AppendLimitReached | None:
            charged.set(Charged(address=address))
            wallet = Wallet((1 + number).to_bytes(32, "big"))
            return await refusal(node, item(wallet, node.registry, "QueryHandle", {"handle": "x" * 60}))

        errors = [await ask(number, "192.0.2.1") for number in range(300)]
        assert errors[0] is None
        assert "messages of one address and all that they cause append at most 200,000 bytes" in str(errors[-1])
        assert await ask(299, "192.0.2.2") is None


async def test_an_item_starts_no_superseded_module_on_a_new_log(path: Path) -> None:
    async with Node.open(path) as node:
        for module, newest in (("handle@1", "handle@2"), ("registry@2", "registry@3"), ("relation@1", "relation@2")):
            spawn = ALICE.sign(tags=[("Type", "Process"), ("Module", f"mostao.{module}")], data='{"name": "x"}')
            superseded = f"the module 'mostao.{module}' is superseded: start 'mostao.{newest}'"
            with pytest.raises(ItemRefused, match=re.escape(superseded)):
                await node.send(spawn)
        await node.send(ALICE.sign(tags=[("Type", "Process"), ("Module", "mostao.archive@1")]))
