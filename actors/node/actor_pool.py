"""The actors of the live processes."""

from collections.abc import Callable

import pykka

from actors.node.process_actor import ProcessActor


class ActorPool:
    """One actor for each live process, started with the process's first message.

    Args:
        start: starts an actor that can run any process.

    Attributes:
        actors: by process id.
        spare: actors of evicted processes, to be reused.
    """

    def __init__(self, start: "Callable[[], pykka.ActorRef[ProcessActor]]") -> None:
        self._start = start
        self.actors: dict[str, pykka.ActorRef[ProcessActor]] = {}
        self.spare: list[pykka.ActorRef[ProcessActor]] = []
        self._started: list[pykka.ActorRef[ProcessActor]] = []

    def of(self, process: str) -> "pykka.ActorRef[ProcessActor]":
        """The actor of a process."""
        actor = self.actors.get(process)
        if actor is None:
            actor = self.actors[process] = self.spare.pop() if self.spare else self._start_one()
        return actor

    def recycle(self, process: str) -> None:
        """Reuse the actor of an evicted process. Stopping it would cost a linear search of Pykka's registry."""
        actor = self.actors.pop(process, None)
        if actor is not None:
            self.spare.append(actor)

    async def stop(self) -> None:
        """Stop all actors in the order of their start, in which Pykka's registry finds each one first."""
        stopping = [actor.stop(block=False) for actor in self._started]
        if stopping:
            await stopping[-1]  # actors stop in the order of the requests

    def _start_one(self) -> "pykka.ActorRef[ProcessActor]":
        actor = self._start()
        self._started.append(actor)
        return actor
