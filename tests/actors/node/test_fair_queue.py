"""Who waits, how many may, and whose turn it is."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import Node, Overloaded
from actors.ans104.item import parse
from actors.node import fair_queue
from actors.node.fair_queue import FairQueue
from actors.node.group_commit import GroupCommit
from actors.node.ingress import PendingItem
from eventstore import Assignment
from tests.actors.people import ALICE, BOB, NODE, item, register, relay, still, talking

ITEM = parse(ALICE.sign(target="A" * 43))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WAITING_MAX": 40, "MAILBOX_MAX": 30, "FAIR_FROM": 10, "ROUND": 8, "TURNS_MAX": 2}.items():
        monkeypatch.setattr(fair_queue, name, value)


def arrive(queue: FairQueue, mailboxes: bytes) -> None:
    """Let a message arrive for each of these mailboxes."""
    for mailbox in mailboxes:
        queue.reserve(bytes([mailbox]))
    for mailbox in mailboxes:
        queue.add(PendingItem(ITEM, None, bytes([mailbox])))  # type: ignore[arg-type]


def served(queue: FairQueue) -> Iterator[str]:
    while (arrival := queue.next()) is not None:
        yield arrival.mailbox.decode()


@pytest.mark.usefixtures("small")
def test_who_is_not_in_a_crowd_is_served_in_the_order_of_arrival() -> None:
    queue = FairQueue()
    arrive(queue, b"aaabacaaaa")
    assert "".join(served(queue)) == "aaabacaaaa"
    assert (queue.reserved, bool(queue)) == (0, False)


@pytest.mark.usefixtures("small")
def test_in_a_crowd_mailboxes_take_turns_and_one_that_is_flooded_rests() -> None:
    queue = FairQueue()
    arrive(queue, b"f" * 20 + b"abc")
    assert "".join(served(queue)) == "fabcf"  # the flooded one has had its two turns
    assert queue
    arrive(queue, b"d")
    assert "".join(served(queue)) == "d"
    queue.renew()
    assert "".join(served(queue)) == "ff"


@pytest.mark.usefixtures("small")
def test_each_mailbox_keeps_its_own_order_and_everybody_is_served_in_the_end() -> None:
    queue = FairQueue()
    queue_of = {mailbox: [PendingItem(ITEM, place, mailbox) for place in range(6)] for mailbox in (b"a", b"b", b"c")}
    for place in range(6):
        for mailbox, waiting in queue_of.items():
            queue.reserve(mailbox)
            queue.add(waiting[place])
    got: dict[bytes, list[Any]] = {mailbox: [] for mailbox in queue_of}
    for arrival in queue.drain():
        got[arrival.mailbox].append(arrival)
    assert got == queue_of
    assert (queue.reserved, bool(queue)) == (0, False)


@pytest.mark.usefixtures("small")
def test_one_that_is_alone_never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "monotonic", lambda: 1000.0)
    queue = FairQueue()
    queue._last = b"f"
    arrive(queue, b"f" * 20)
    assert "".join(served(queue)) == "f" * 20


@pytest.mark.usefixtures("small")
def test_there_are_so_many_places_and_so_many_for_one_mailbox() -> None:
    queue = FairQueue()
    for _ in range(30):
        queue.reserve(b"f")
    with pytest.raises(Overloaded, match="wait for this process; try again"):
        queue.reserve(b"f")
    for _ in range(10):
        queue.reserve(b"o")
    with pytest.raises(Overloaded, match="wait to be taken; try again"):
        queue.reserve(b"p")
    queue.release(b"f")
    queue.reserve(b"f")


@pytest.mark.usefixtures("small")
async def test_a_node_that_is_offered_more_than_it_can_take_refuses_the_surplus_and_serves_the_rest(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, b, session = await talking(node)
        raws = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(60)]
        raws += [item(BOB, b, "GetProfile") for _ in range(5)]
        results = await asyncio.gather(*map(node.send, raws), return_exceptions=True)
        refused = [type(result) for result in results if isinstance(result, Exception)]
        assert refused == [Overloaded] * 30
        assert not any(isinstance(result, Exception) for result in results[60:])  # nobody else's mailbox was full
        await node.drain()
        assert node._admission.reserved == 0
        answer = (await node.dryrun(session, action="QueryMessage")).answer
        assert [row["content"] for row in answer] == [str(number) for number in reversed(range(30))]


async def test_while_too_much_is_on_its_way_to_the_disk_nothing_is_assigned(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.node.executor.COMMIT_QUEUE_MAX", 5)
    undurable: list[int] = []
    add = GroupCommit.add

    def watched(commits: GroupCommit, assignment: Assignment) -> None:
        undurable.append(assignment.sequence - commits.durable)
        add(commits, assignment)

    monkeypatch.setattr(GroupCommit, "add", watched)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, _, session = await talking(node)
        raws = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(50)]
        await asyncio.gather(*map(node.send, raws))
    assert 5 <= max(undurable) <= 5 + 3  # what one message causes is let through whole


async def test_whoever_sends_and_gives_up_at_once_takes_no_more_places_than_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_queue, "WAITING_MAX", 20)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        refused = 0
        for number in range(100):
            try:
                node.submit(item(ALICE, node.registry, "QueryHandle", {"handle": str(number)})).cancel()
            except Overloaded:
                refused += 1
        assert refused == 80
        await node.drain()
        assert (node._admission.reserved, node._admission._of_mailbox) == (0, {})
        await register(node, ALICE, "alice")


async def test_more_dryruns_than_can_wait_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.node.node.DRYRUNS_MAX", 3)
    async with Node.open(path, wallet=NODE, clock=still) as node:
        asked = [node.dryrun(node.registry, action="GetHandles", data='{"owner":"x"}') for _ in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Overloaded] * 2
        assert (await node.dryrun(node.registry, action="GetHandles", data='{"owner":"x"}')).answer == []
