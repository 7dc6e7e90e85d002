import asyncio

import pytest

from actors import Result
from actors.node import deduplication
from actors.node.deduplication import Answers


async def recall(message_id: str) -> Result:
    return Result(message_id=message_id)


def waiter() -> "asyncio.Future[Result]":
    return asyncio.get_running_loop().create_future()


async def test_an_answer_that_is_no_longer_kept_is_recalled_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deduplication, "ANSWERS_MAX", 1)
    known, first, again = Answers(recall), waiter(), waiter()
    known.remember("a", first)
    first.set_result(Result(message_id="a", output="1"))
    known.remember("b", waiter())
    assert known.give_again("a", again)
    assert await again == Result(message_id="a")


async def test_a_message_that_its_sender_gave_up_and_that_was_refused_then_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deduplication, "ANSWERS_MAX", 1)
    known, first = Answers(recall), waiter()
    known.remember("a", first)
    first.cancel()
    known.remember("b", waiter())
    known.forget("a")
    assert not known.give_again("a", waiter())
