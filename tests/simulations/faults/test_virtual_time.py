import asyncio
from pathlib import Path

import pytest

from actors import ItemRefused
from actors.audit.audit import audit
from actors.protocol.messages import Result
from simulations.faults.crashable_node import CrashableNode
from simulations.faults.virtual_time import NodeDown, VirtualClock, VirtualTime
from tests.actors.people import ALICE, NODE, item


async def test_people_wake_in_the_order_of_their_times_without_waiting_for_the_wall_clock(path: Path) -> None:
    clock, journal = VirtualClock(0), []
    async with CrashableNode(path, wallet=NODE, clock=clock) as crashable:
        virtual = VirtualTime(crashable, clock)

        async def sleeper(name: str, *times: int) -> None:
            for time in times:
                await virtual.sleep_until(time)
                journal.append((name, clock.now_ms))

        await virtual.run([sleeper("a", 10**9, 3 * 10**9), sleeper("b", 2 * 10**9), sleeper("c", 10**9)])
    assert journal == [("a", 10**9), ("c", 10**9), ("b", 2 * 10**9), ("a", 3 * 10**9)]


async def test_messages_are_assigned_in_the_order_in_which_they_were_sent(path: Path) -> None:
    clock = VirtualClock(0)
    async with CrashableNode(path, wallet=NODE, clock=clock) as crashable:
        virtual, sequences = VirtualTime(crashable, clock), []

        async def sender() -> None:
            sequences.append((await virtual.send(item(ALICE, virtual.registry, "GetHandles", {"owner": "x"}))).sequence)

        await virtual.run([sender() for _ in range(50)])
    assert sequences == list(range(2, 52))


async def test_a_life_that_fails_ends_the_run_with_its_error(path: Path) -> None:
    clock = VirtualClock(0)
    async with CrashableNode(path, wallet=NODE, clock=clock) as crashable:
        virtual = VirtualTime(crashable, clock)

        async def waiting() -> None:
            await virtual.sleep_until(10**12)
            await asyncio.Event().wait()

        async def failing() -> None:
            await virtual.send(b"nonsense")

        with pytest.raises(ItemRefused):
            await virtual.run([waiting(), failing()])


class At:
    """Crashes once, after this event."""

    def __init__(self, durable: int) -> None:
        self.durable: int | None = durable

    def next_crash(self, sequence: int, now_ms: int) -> int | None:
        return self.durable

    def crashed(self) -> None:
        self.durable = None


async def test_who_is_not_answered_by_a_node_that_dies_sends_again_and_is_assigned_once(path: Path) -> None:
    clock = VirtualClock(0)
    async with CrashableNode(path, wallet=NODE, clock=clock) as crashable:
        virtual = VirtualTime(crashable, clock, At(3))
        replies: list[Result | NodeDown] = []

        async def sender(name: str) -> None:
            raw = item(ALICE, virtual.registry, "Register", {"handle": name, "pubkey": "k"})
            try:
                replies.append(await virtual.send(raw))
            except NodeDown as error:
                replies.append(error)
                replies.append(await virtual.send(raw))

        await virtual.run([sender("a"), sender("b")])
        assert crashable.crashes == 1
        down = [reply for reply in replies if isinstance(reply, NodeDown)]
        assert len(down) == 1
        assert {reply.answer["handle"] for reply in replies if isinstance(reply, Result)} == {"a", "b"}
    report = audit(path)
    assert (report.faults, report.unsent) == ([], 0)


async def test_an_item_that_arrives_twice_is_answered_once_and_the_same(path: Path) -> None:
    clock = VirtualClock(0)
    async with CrashableNode(path, wallet=NODE, clock=clock, commit_delay_ms=1) as crashable:
        virtual = VirtualTime(crashable, clock)

        async def sender() -> None:
            await virtual.send(item(ALICE, virtual.registry, "GetHandles", {"owner": "x"}), copies=3)

        await virtual.run([sender()])
        assert crashable.node.sequence == 2
