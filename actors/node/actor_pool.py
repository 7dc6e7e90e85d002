"""The actors of the processes that live."""

from collections.abc import Callable

import pykka

from actors.node.process_actor import ProcessActor


class ActorPool:
    """An actor for every process that lives, started at its first message."""

    def __init__(self, start: Callable[[], pykka.ActorRef[ProcessActor]]) -> None:
        self._start = start
        self.actors: dict[str, pykka.ActorRef[ProcessActor]] = {}
        self.spare: list[pykka.ActorRef[ProcessActor]] = []
        self._started: list[pykka.ActorRef[ProcessActor]] = []

    def of(self, process: str) -> pykka.ActorRef[ProcessActor]:
        """The actor of a process."""
        actor = self.actors.get(process)
        if actor is None:
            actor = self.actors[process] = self.spare.pop() if self.spare else self._begin()
        return actor

    def release(self, process: str) -> None:
        """Keep the actor of a process that left memory for the next one: to stop it would make Pykka look for it among
        all of them.
        """
        actor = self.actors.pop(process, None)
        if actor is not None:
            self.spare.append(actor)

    async def stop(self) -> None:
        """Stop all of them, in the order of their start: Pykka looks for each among all, and finds the oldest first."""
        stopping = [actor.stop(block=False) for actor in self._started]
        if stopping:
            await stopping[-1]  # they stop in the order in which they were asked to

    def _begin(self) -> pykka.ActorRef[ProcessActor]:
        actor = self._start()
        self._started.append(actor)
        return actor
