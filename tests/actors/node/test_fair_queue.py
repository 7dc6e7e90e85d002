"""The fair queue and its backlog: order, turns and limits."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from actors import Limits, Node, Overloaded
from actors.ans104.item import parse
from actors.node.backlog import Backlog
from actors.node.executor import Executor
from actors.node.fair_queue import FairQueue
from actors.node.group_commit import GroupCommit
from actors.node.pending_item import PendingItem
from eventstore import Assignment, EventStoreError, LogFailed
from tests.actors.people import ALICE, BOB, NODE, item, register, relay, still, talking

ITEM = parse(ALICE.sign(target="A" * 43))


SMALL = Limits(waiting_max=40, waiting_per_process_max=30, fifo_max=10, round_turns_max=8, process_turns_max=2)


class Stage:
    """In place of the executor: takes items while the test lets it.

    ``is_idle`` stands for "everything assigned is durable", which lets a round end.
    """

    def __init__(self) -> None:
        self.on_ready: Callable[[], None] = lambda: None
        self.failure: EventStoreError | None = None
        self.is_ready = self.is_idle = False
        self.executed: list[PendingItem] = []

    def execute(self, pending: PendingItem) -> None:
        self.executed.append(pending)


class Queue:
    """A fair queue in front of such a stage."""

    def __init__(self, limits: Limits = SMALL) -> None:
        self.stage, self.backlog = Stage(), Backlog(limits)
        self.queue = FairQueue(cast("Executor", self.stage), self.backlog, limits)

    def arrive(self, mailboxes: bytes) -> None:
        """Let a message arrive for each of these mailboxes."""
        for mailbox in mailboxes:
            self.backlog.reserve(bytes([mailbox]))
        for mailbox in mailboxes:
            self.queue.add(PendingItem(ITEM, None, bytes([mailbox])))  # type: ignore[arg-type]

    def served(self, *, idle: bool = False) -> str:
        """The mailboxes whose messages the stage takes now, in order."""
        self.stage.is_ready, self.stage.is_idle = True, idle
        self.stage.on_ready()
        self.stage.is_ready = self.stage.is_idle = False
        served = "".join(pending.mailbox.decode() for pending in self.stage.executed)
        self.stage.executed.clear()
        return served


def test_who_is_not_in_a_crowd_is_served_in_the_order_of_arrival() -> None:
    queue = Queue()
    queue.arrive(b"aaabacaaaa")
    assert queue.served() == "aaabacaaaa"
    assert (queue.backlog.size, len(queue.queue)) == (0, 0)


def test_in_a_crowd_mailboxes_take_turns_and_one_that_is_flooded_rests() -> None:
    queue = Queue()
    queue.arrive(b"f" * 20 + b"abc")
    assert queue.served() == "fabcf"  # the flooded one has had its two turns
    assert queue.queue
    queue.arrive(b"d")
    assert queue.served() == "d"
    assert queue.served(idle=True) == "ff"


def test_a_round_ends_only_when_no_accepted_item_is_on_its_way() -> None:
    queue = Queue()
    queue.arrive(b"f" * 20)
    assert queue.served() == "ff"
    queue.backlog.reserve(b"a")  # an item whose signature is being verified
    assert queue.served(idle=True) == ""
    queue.backlog.release(b"a")  # it was forged
    queue.queue.flush()
    assert queue.served(idle=True) == "ff"


def test_each_mailbox_keeps_its_own_order_and_everybody_is_served_in_the_end() -> None:
    queue = Queue()
    queue_of = {
        mailbox: [PendingItem(ITEM, place, mailbox) for place in range(6)]  # type: ignore[arg-type]
        for mailbox in (b"a", b"b", b"c")
    }
    for place in range(6):
        for mailbox, waiting in queue_of.items():
            queue.backlog.reserve(mailbox)
            queue.queue.add(waiting[place])
    got: dict[bytes, list[Any]] = {mailbox: [] for mailbox in queue_of}
    queue.stage.is_ready = queue.stage.is_idle = True
    while queue.queue:
        queue.stage.on_ready()
    for arrival in queue.stage.executed:
        got[arrival.mailbox].append(arrival)
    assert got == queue_of
    assert (queue.backlog.size, len(queue.queue)) == (0, 0)


async def test_a_failed_node_refuses_everything_that_waits() -> None:
    queue = Queue()
    futures: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(30)]
    for number, future in enumerate(futures):
        mailbox = b"ab"[number % 2 :][:1]
        queue.backlog.reserve(mailbox)
        queue.queue.add(PendingItem(ITEM, future, mailbox))
    queue.stage.failure = LogFailed("disk full")
    queue.stage.on_ready()
    assert all(future.exception() is queue.stage.failure for future in futures)
    assert (queue.backlog.size, len(queue.queue)) == (0, 0)


def test_one_that_is_alone_never_rests() -> None:
    queue = Queue(msgspec.structs.replace(SMALL, alone_s=-1.0))
    queue.arrive(b"f" * 20)
    assert queue.served() == "f" * 20


def test_there_are_so_many_places_and_so_many_for_one_mailbox() -> None:
    backlog = Backlog(SMALL)
    for _ in range(30):
        backlog.reserve(b"f")
    with pytest.raises(Overloaded, match="wait for this process; try again"):
        backlog.reserve(b"f")
    for _ in range(10):
        backlog.reserve(b"o")
    with pytest.raises(Overloaded, match="wait to be taken; try again"):
        backlog.reserve(b"p")
    backlog.release(b"f")
    backlog.reserve(b"f")


async def test_a_node_that_is_offered_more_than_it_can_take_refuses_the_surplus_and_serves_the_rest(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SMALL) as node:
        a, b, session = await talking(node)
        raws = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(60)]
        raws += [item(BOB, b, "GetProfile") for _ in range(5)]
        results = await asyncio.gather(*map(node.send, raws), return_exceptions=True)
        refused = [type(result) for result in results if isinstance(result, Exception)]
        assert refused == [Overloaded] * 30
        assert not any(isinstance(result, Exception) for result in results[60:])  # other mailboxes were not full
        await node.drain()
        assert node.load().waiting == 0
        answer = (await node.dryrun(session, action="QueryMessage")).answer
        assert [row["content"] for row in answer] == [str(number) for number in reversed(range(30))]


async def test_while_too_much_is_on_its_way_to_the_disk_nothing_is_assigned(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undurable: list[int] = []
    add = GroupCommit.add

    def watched(commits: GroupCommit, assignment: Assignment) -> None:
        undurable.append(assignment.sequence - commits.durable)
        add(commits, assignment)

    monkeypatch.setattr(GroupCommit, "add", watched)
    async with Node.open(path, wallet=NODE, clock=still, limits=Limits(undurable_max=5)) as node:
        a, _, session = await talking(node)
        raws = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(50)]
        await asyncio.gather(*map(node.send, raws))
    assert 5 <= max(undurable) <= 5 + 3  # what one message causes is let through whole


async def test_whoever_sends_and_gives_up_at_once_takes_no_more_places_than_others(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=Limits(waiting_max=20)) as node:
        refused = 0
        for number in range(100):
            try:
                node.submit(item(ALICE, node.registry, "QueryHandle", {"handle": str(number)})).cancel()
            except Overloaded:
                refused += 1
        assert refused == 80
        await node.drain()
        assert (node.load().waiting, node.load().deepest_mailbox) == (0, 0)
        await register(node, ALICE, "alice")


async def test_more_dryruns_than_can_wait_are_refused(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=Limits(dryruns_max=3)) as node:
        asked = [node.dryrun(node.registry, action="GetHandles", data='{"owner":"x"}') for _ in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Overloaded] * 2
        assert (await node.dryrun(node.registry, action="GetHandles", data='{"owner":"x"}')).answer == []
