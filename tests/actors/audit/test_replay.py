import asyncio
from pathlib import Path

import pytest

from actors import Node, replay
from eventstore import LogFault, LogMissing, read_log
from tests.actors.people import ALICE, NODE, relay, talking
from tests.sqlite_file import execute


@pytest.fixture(params=["in order", "in shares"])
def world(path: Path, request: pytest.FixtureRequest) -> tuple[Path, str, int]:
    """A log, its state root, and how many processes replay it."""
    jobs = 2 if request.param == "in shares" else 1

    async def live() -> str:
        async with Node.open(path, wallet=NODE) as node:
            a, _, session = await talking(node)
            for number in range(20):
                await node.send(relay(ALICE, a, session, "SendMessage", {"content": str(number)}))
            await node.drain()
            return node.state_root

    return path, asyncio.run(live()), jobs


def test_a_replay_gives_the_state_that_was_live(world: tuple[Path, str, int]) -> None:
    path, root, jobs = world
    assert replay(path, jobs=jobs).state_root == root


def test_a_replay_stops_where_it_is_told(world: tuple[Path, str, int]) -> None:
    path, _, jobs = world
    counted: list[int] = []
    replayed = replay(path, at=7, progress=counted.append, jobs=jobs)
    assert (replayed.events, replayed.unsent) == (7, 2)
    assert replayed.log_head == next(read_log(path).read(after=6)).log_chain.hex()


@pytest.mark.parametrize(
    "change",
    [
        "data = replace(data, '7', '8')",
        "sender = 'mallory'",
        "timestamp = timestamp + 1",
        "process_chain = zeroblob(32)",
        "log_chain = zeroblob(32)",
        "tags = 'nonsense'",
        "parent = null",
        "output = 'changed'",
        "error = 'changed'",
    ],
)
def test_the_first_fault_is_named_whoever_finds_it(world: tuple[Path, str, int], change: str) -> None:
    path, _, jobs = world
    where = "(select sequence from assignments where action = 'SendMessage' limit 1 offset 7)"
    [[sequence]] = execute(path, f"select {where}")
    execute(path, f"update assignments set {change} where sequence = {where}")
    with pytest.raises(LogFault) as fault:
        replay(path, jobs=jobs)
    assert fault.value.sequence == sequence


def test_a_log_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(LogMissing):
        replay(path)
