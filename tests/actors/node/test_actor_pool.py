import asyncio
from typing import Any, cast

import pykka

from actors.node.actor_pool import ActorPool
from actors.node.process_actor import ProcessActor


class Actor:
    """In place of an ``ActorRef``: tells who was stopped."""

    def __init__(self, stopped: list["Actor"]) -> None:
        self._stopped = stopped

    def stop(self, *, block: bool) -> Any:
        self._stopped.append(self)
        answered = asyncio.get_running_loop().create_future()
        answered.set_result(None)
        return answered


async def test_whoever_took_over_from_whom_actors_stop_in_the_order_of_their_start() -> None:
    stopped: list[Actor] = []
    started: list[Actor] = []

    def start() -> pykka.ActorRef[ProcessActor]:
        started.append(Actor(stopped))
        return cast("pykka.ActorRef[ProcessActor]", started[-1])

    live = ActorPool(start)
    actors = {name: live.of(name) for name in "abcd"}
    live.recycle("a")
    live.recycle("c")
    assert live.of("b") is actors["b"]
    assert {live.of("e"), live.of("f")} == {actors["a"], actors["c"]}
    live.of("g")
    live.recycle("d")
    await live.stop()
    assert (stopped, len(started)) == (started, 5)  # Pykka finds each where it looks first
