import asyncio
from pathlib import Path

import pytest

from actors import ItemRefused, Node
from simulations.virtual import VirtualClock, VirtualTime
from tests.actors.people import ALICE, NODE, item


async def test_people_wake_in_the_order_of_their_times_without_waiting_for_the_wall_clock(path: Path) -> None:
    clock, journal = VirtualClock(0), []
    async with Node.open(path, wallet=NODE, clock=clock) as node:
        virtual = VirtualTime(node, clock)

        async def sleeper(name: str, *times: int) -> None:
            for time in times:
                await virtual.sleep_until(time)
                journal.append((name, clock.now_ms))

        await virtual.run([sleeper("a", 10**9, 3 * 10**9), sleeper("b", 2 * 10**9), sleeper("c", 10**9)])
    assert journal == [("a", 10**9), ("c", 10**9), ("b", 2 * 10**9), ("a", 3 * 10**9)]


async def test_messages_are_assigned_in_the_order_in_which_they_were_sent(path: Path) -> None:
    clock = VirtualClock(0)
    async with Node.open(path, wallet=NODE, clock=clock) as node:
        virtual, sequences = VirtualTime(node, clock), []

        async def sender() -> None:
            sequences.append((await virtual.send(item(ALICE, node.registry, "GetHandles", {"owner": "x"}))).sequence)

        await virtual.run([sender() for _ in range(50)])
    assert sequences == list(range(2, 52))


async def test_a_life_that_fails_ends_the_run_with_its_error(path: Path) -> None:
    clock = VirtualClock(0)
    async with Node.open(path, wallet=NODE, clock=clock) as node:
        virtual = VirtualTime(node, clock)

        async def waiting() -> None:
            await virtual.sleep_until(10**12)
            await asyncio.Event().wait()

        async def failing() -> None:
            await virtual.send(b"nonsense")

        with pytest.raises(ItemRefused):
            await virtual.run([waiting(), failing()])
