"""A message id that was seen before returns its first result, wherever that is by then."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from actors import ItemRefused, Limits, Result
from actors.ans104.item import DataItem, parse
from actors.node.backlog import Backlog
from actors.node.deduplication import Deduplicator
from actors.node.fair_queue import FairQueue
from actors.node.id_filter import IdFilter
from actors.node.pending_item import PendingItem
from eventstore import LogUnusable
from tests.actors.people import ALICE

A, B = (parse(ALICE.sign(target="A" * 43, anchor=bytes([number]) * 32)) for number in (1, 2))


class Queue:
    """In place of the fair queue: takes what is new."""

    def __init__(self) -> None:
        self.added: list[PendingItem] = []
        self.flushed = 0

    def add(self, pending: PendingItem) -> None:
        self.added.append(pending)

    def flush(self) -> None:
        self.flushed += 1


class Stage:
    """A deduplicator that remembers one result, with the log and the next stage in the hands of the test."""

    def __init__(self, limits: Limits = Limits(recent_results_max=1)) -> None:  # noqa: B008 it is immutable
        self.queue, self.backlog, self.log = Queue(), Backlog(limits), dict[str, Result]()
        self.is_broken = False
        self.deduplicator = Deduplicator(
            cast("FairQueue", self.queue),
            self.backlog,
            IdFilter(limits),  # it has read no log, so every id may be in it
            recall=self.recall,
            recall_durable=self.recall_durable,
            limits=limits,
        )

    async def recall(self, ids: Sequence[str]) -> dict[str, Result]:
        if self.is_broken:
            raise LogUnusable("broken")
        return {message_id: self.log[message_id] for message_id in ids if message_id in self.log}

    async def recall_durable(self, message_id: str) -> Result:
        return Result(message_id=message_id)

    async def offer(self, item: DataItem) -> PendingItem:
        self.backlog.reserve(b"m")
        pending = PendingItem(item, asyncio.get_running_loop().create_future(), b"m")
        await self.deduplicator.offer([pending])
        return pending


async def test_a_new_item_goes_on_and_a_repeated_one_gets_its_result() -> None:
    stage = Stage()
    first = await stage.offer(A)
    again = await stage.offer(A)
    assert stage.queue.added == [first]
    first.is_assigned = True
    first.result.set_result(Result(message_id=A.id, output="1"))
    assert await again.result == Result(message_id=A.id, output="1")
    assert stage.backlog.size == 1  # the place of the item that went on


async def test_an_answer_that_is_no_longer_kept_is_recalled_from_the_log() -> None:
    stage = Stage()
    first = await stage.offer(A)
    first.is_assigned = True
    first.result.set_result(Result(message_id=A.id, output="1"))
    await stage.offer(B)
    again = await stage.offer(A)
    assert await again.result == Result(message_id=A.id)
    assert len(stage.queue.added) == 2


async def test_a_message_that_its_sender_gave_up_and_that_was_refused_then_is_not_known() -> None:
    stage = Stage()
    first = await stage.offer(A)
    first.result.cancel()
    await stage.offer(B)
    first.refuse(ItemRefused("there is no such process"))
    assert not stage.deduplicator.repeat(A.id, asyncio.get_running_loop().create_future())
    again = await stage.offer(A)
    assert stage.queue.added[-1] is again


async def test_a_message_that_its_sender_gave_up_and_that_is_executed_is_recalled_from_the_log() -> None:
    stage = Stage()
    first = await stage.offer(A)
    first.result.cancel()
    first.is_assigned = True
    assert await (await stage.offer(A)).result == Result(message_id=A.id)


async def test_a_repeat_takes_the_place_of_a_sender_that_went_away() -> None:
    stage = Stage()
    first = await stage.offer(A)
    second, third = await stage.offer(A), await stage.offer(A)
    first.result.cancel()
    await asyncio.sleep(0)
    first.is_assigned = True
    first.result.set_result(Result(message_id=A.id, output="1"))  # the executor resolves the future that it finds there
    assert await second.result == await third.result == Result(message_id=A.id, output="1")
    assert len(stage.queue.added) == 1


async def test_a_repeat_gets_the_refusal_of_an_item_whose_sender_went_away() -> None:
    stage = Stage()
    first = await stage.offer(A)
    first.result.cancel()
    first.refuse(ItemRefused("there is no such process"))
    second: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    stage.deduplicator._follow(first, second)
    with pytest.raises(ItemRefused, match="there is no such process"):
        await second


async def test_no_more_ids_are_kept_than_the_limit() -> None:
    stage = Stage(Limits(recent_results_max=1, recent_ids_max=2))
    for number in range(3, 20):
        pending = await stage.offer(parse(ALICE.sign(target="A" * 43, anchor=bytes([number]) * 32)))
        pending.is_assigned = True
        pending.result.set_result(Result(message_id=pending.item.id))
    known = [
        stage.deduplicator.repeat(pending.item.id, asyncio.get_running_loop().create_future())
        for pending in stage.queue.added
    ]
    assert known == [False] * 14 + [True] * 3  # one result and two ids


async def test_a_message_that_the_log_contains_is_answered_from_it() -> None:
    stage = Stage()
    stage.log[A.id] = Result(message_id=A.id, output="stored")
    pending = await stage.offer(A)
    assert await pending.result == Result(message_id=A.id, output="stored")
    assert (stage.queue.added, stage.backlog.size) == ([], 0)


async def test_a_log_that_cannot_be_read_leaves_no_sender_waiting() -> None:
    stage = Stage()
    stage.is_broken = True
    pending = await stage.offer(A)
    with pytest.raises(LogUnusable):
        await pending.result
    assert (stage.queue.added, stage.backlog.size) == ([], 0)
    stage.is_broken = False
    assert (await stage.offer(A)) is stage.queue.added[-1]


async def test_an_item_whose_sender_gave_up_before_its_turn_returns_its_place() -> None:
    stage = Stage()
    stage.backlog.reserve(b"m")
    pending = PendingItem(A, asyncio.get_running_loop().create_future(), b"m")
    pending.result.cancel()
    await stage.deduplicator.offer([pending])
    assert (stage.queue.added, stage.backlog.size) == ([], 0)
    stage.deduplicator.flush()
    assert stage.queue.flushed == 1
