"""The way between a person and their node, on which messages are lost, doubled, late, and overtaken."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import TypeVar

from actors.protocol.messages import Result
from simulations.faults.virtual_time import NodeDown, VirtualTime
from simulations.scenario.scenario import Faults

T = TypeVar("T")

TIMEOUT_MS = 5_000
"""Virtual time after which a person who heard nothing sends the same item again."""


class Network:
    """One person's way to the node: a door whose messages arrive in the end, however often they are lost."""

    def __init__(self, door: VirtualTime, faults: Faults, random: Random) -> None:
        self._door = door
        self._faults = faults
        self._random = random

    @property
    def registry(self) -> str:
        """See ``VirtualTime``."""
        return self._door.registry

    async def send(self, raw: bytes) -> Result:
        """Send an item until its answer is heard. It is assigned once, and its answer stays the same."""
        faults, draw = self._faults, self._random.random

        async def attempt() -> Result:
            copies = 2 if draw() < faults.duplicate else 1
            return await self._door.send(raw, copies=copies, overtakes=draw() < faults.reorder)

        return await self.until_heard(attempt, gone=NodeDown)

    async def until_heard(self, attempt: Callable[[], Awaitable[T]], *, gone: type[Exception]) -> T:
        """Try something again and again, until it gets through and its answer too.

        Args:
            attempt: what gets through.
            gone: raised by an attempt that found nobody.
        """
        faults, draw = self._faults, self._random.random
        while True:
            if draw() < faults.delay:
                await self._pause(round(draw() * faults.delay_s * 1000))
            if draw() >= faults.drop:
                with suppress(gone):
                    answer = await attempt()
                    if draw() >= faults.lose_answer:
                        return answer
            await self._pause(TIMEOUT_MS)

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """See ``Node.dryrun``."""
        while self._random.random() < self._faults.drop:
            await self._pause(TIMEOUT_MS)
        return await self._door.dryrun(process, action=action, data=data, sender=sender, tags=tags)

    async def quiescent_sequence(self) -> int:
        """See ``Node.quiescent_sequence``."""
        return await self._door.quiescent_sequence()

    async def _pause(self, ms: int) -> None:
        await self._door.sleep_until(self._door.clock.now_ms + ms)
