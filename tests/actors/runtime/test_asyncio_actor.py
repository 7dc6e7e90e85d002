"""The actor runtime behaves as Pykka documents its actors."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from actors.runtime.asyncio_actor import STEPS_PER_TURN, AsyncioActor, AsyncioFuture


class Recorder(AsyncioActor):
    colour = "green"

    def __init__(self, journal: list[Any] | None = None) -> None:
        super().__init__()
        self._journal = [] if journal is None else journal

    def on_start(self) -> None:
        self._journal.append("started")

    def on_stop(self) -> None:
        self._journal.append("stopped")

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self._journal.append(f"failed: {exception_value}")

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        self._journal.append(message)
        return ("got", message)

    def double(self, number: int) -> int:
        return 2 * number


@pytest.fixture(autouse=True)
def no_actor_is_left() -> Iterator[None]:
    yield
    assert pykka.ActorRegistry.get_all() == []


async def test_tell_hands_over_messages_in_their_order() -> None:
    journal: list[Any] = []
    ref = Recorder.start(journal)
    for number in range(5):
        ref.tell(number)
    assert journal == ["started"]  # nothing is handled before the event loop has its turn
    await ref.stop(block=False)
    assert journal == ["started", 0, 1, 2, 3, 4, "stopped"]


async def test_ask_is_awaited() -> None:
    ref = Recorder.start()
    assert await ref.ask("hello", block=False) == ("got", "hello")
    await ref.stop(block=False)


async def test_a_handlers_exception_reaches_whoever_asked_and_the_actor_lives() -> None:
    ref = Recorder.start()
    with pytest.raises(ValueError, match="no"):
        await ref.ask(ValueError("no"), block=False)
    assert ref.is_alive()
    await ref.stop(block=False)


async def test_a_handlers_exception_that_nobody_asked_for_stops_the_actor() -> None:
    journal: list[Any] = []
    ref = Recorder.start(journal)
    ref.tell(ValueError("no"))
    pending = ref.ask("later", block=False)
    with pytest.raises(pykka.ActorDeadError):
        await pending
    assert not ref.is_alive()
    assert journal == ["started", "failed: no"]


async def test_the_registry_sees_actors_while_they_live() -> None:
    ref = Recorder.start()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is ref
    assert pykka.ActorRegistry.get_by_class(Recorder) == [ref]
    await ref.stop(block=False)
    assert pykka.ActorRegistry.get_by_class(Recorder) == []


async def test_stop_comes_after_the_messages_before_it_and_refuses_those_behind() -> None:
    ref = Recorder.start()
    before = ref.ask("before", block=False)
    stopped = ref.stop(block=False)
    behind = ref.ask("behind", block=False)
    assert await before == ("got", "before")
    assert await stopped is True
    with pytest.raises(pykka.ActorDeadError):
        await behind
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("to the dead")
    assert await ref.stop(block=False) is False


async def test_a_proxy_calls_methods_and_reads_and_sets_attributes() -> None:
    ref = Recorder.start()
    proxy = ref.proxy()
    assert await proxy.double(21) == 42
    assert await proxy.colour == "green"
    await proxy.actor_ref.ask(pykka.messages.ProxySetAttr(attr_path=("colour",), value="red"), block=False)
    assert await proxy.colour == "red"
    await ref.stop(block=False)


async def test_messages_are_handled_in_the_order_sent_over_all_actors() -> None:
    journal: list[Any] = []
    one, other = Recorder.start(journal), Recorder.start(journal)
    del journal[:]
    for number in range(6):
        (one if number % 3 else other).tell(number)
    await asyncio.gather(one.stop(block=False), other.stop(block=False))
    assert journal[:6] == [0, 1, 2, 3, 4, 5]


async def test_a_flooded_mailbox_leaves_the_loop_its_turns() -> None:
    journal: list[Any] = []
    ref = Recorder.start(journal)
    del journal[:]
    for number in range(3 * STEPS_PER_TURN):
        ref.tell(number)
    await asyncio.sleep(0)
    assert len(journal) == STEPS_PER_TURN
    await ref.stop(block=False)
    assert journal == [*range(3 * STEPS_PER_TURN), "stopped"]


async def test_other_threads_tell_and_ask_and_may_block() -> None:
    ref = Recorder.start()
    assert await asyncio.to_thread(ref.ask, "from a thread") == ("got", "from a thread")
    assert await asyncio.to_thread(ref.stop) is True


async def test_blocking_on_the_event_loop_is_an_error_and_not_a_deadlock() -> None:
    ref = Recorder.start()
    with pytest.raises(RuntimeError, match="awaited"):
        ref.ask("hello")
    await ref.stop(block=False)


async def test_futures_can_be_mapped_and_joined() -> None:
    ref = Recorder.start()
    one, other = ref.ask(1, block=False), ref.ask(2, block=False)
    assert await one.map(lambda answer: answer[1] + 1) == 2
    assert await one.join(other) == [("got", 1), ("got", 2)]
    await ref.stop(block=False)


async def test_a_future_has_one_value() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    future.set(1)
    with pytest.raises(RuntimeError):
        future.set(2)
    assert await future == await future == future.get() == 1


async def test_a_value_that_does_not_come_times_out_in_other_threads() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    with pytest.raises(pykka.Timeout):
        await asyncio.to_thread(future.get, timeout=0.01)


async def test_asking_an_actor_on_another_loop_does_not_block_this_one() -> None:
    started, stop = threading.Event(), threading.Event()
    refs: list[Any] = []

    async def other_loop() -> None:
        refs.append(Recorder.start())
        started.set()
        await asyncio.to_thread(stop.wait)
        await refs[0].stop(block=False)

    thread = threading.Thread(target=asyncio.run, args=(other_loop(),))
    thread.start()
    await asyncio.to_thread(started.wait)
    assert await refs[0].ask("across", block=False) == ("got", "across")
    stop.set()
    await asyncio.to_thread(thread.join)
