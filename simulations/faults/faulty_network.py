"""A network between a person and the node that loses, duplicates, delays and reorders messages."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import TypeVar

from actors.protocol.messages import Result
from simulations.faults.fault import NetworkFault
from simulations.faults.virtual_time import NodeDown, VirtualTime

T = TypeVar("T")

TIMEOUT_MS = 5_000
"""Virtual time after which a person who got no reply sends the same item again."""


class FaultyNetwork:
    """One person's connection to the node: a ``NodeClient`` that retries until a reply arrives.

    Every fault draws its random numbers in every attempt, regardless of the others: hence ``sum`` and not ``any``.

    Args:
        time: delivers to the node in virtual time.
        faults: the faults of this network.
        random: draws them.
    """

    def __init__(self, time: VirtualTime, faults: Sequence[NetworkFault], random: Random) -> None:
        self._time = time
        self._faults = faults
        self._random = random

    @property
    def registry(self) -> str:
        """Process id of the registry."""
        return self._time.registry

    async def send(self, raw: bytes) -> Result:
        """Send an item until its reply arrives. The node assigns it once and repeats its first result."""

        async def attempt() -> Result:
            copies = 1 + self.extra_copies()
            overtakes = sum(fault.overtakes(self._random) for fault in self._faults) > 0
            return await self._time.send(raw, copies=copies, overtakes=overtakes)

        return await self.retry(attempt, unreachable=NodeDown)

    async def retry(self, attempt: Callable[[], Awaitable[T]], *, unreachable: type[Exception]) -> T:
        """Repeat an attempt until its request and its reply get through.

        Args:
            attempt: sends one request and returns its reply.
            unreachable: the exception of an attempt that found no server; it leads to another attempt.
        """
        while True:
            await self._pause(sum(fault.delay_ms(self._random) for fault in self._faults))
            if not self._loses_request():
                with suppress(unreachable):
                    reply = await attempt()
                    if not sum(fault.loses_reply(self._random) for fault in self._faults):
                        return reply
            await self._pause(TIMEOUT_MS)

    def extra_copies(self) -> int:
        """Draw how many more copies of the next request arrive."""
        return sum(fault.extra_copies(self._random) for fault in self._faults)

    async def dryrun(
        self, process: str, *, action: str, data: str = "", sender: str = "", tags: Sequence[tuple[str, str]] = ()
    ) -> Result:
        """Query a process (``Node.dryrun``). Only the loss of requests affects queries."""
        while self._loses_request():
            await self._pause(TIMEOUT_MS)
        return await self._time.dryrun(process, action=action, data=data, sender=sender, tags=tags)

    async def quiescent_sequence(self) -> int:
        """The sequence at which no message is pending (``Node.quiescent_sequence``)."""
        return await self._time.quiescent_sequence()

    def _loses_request(self) -> bool:
        return sum(fault.loses_request(self._random) for fault in self._faults) > 0

    async def _pause(self, ms: int) -> None:
        await self._time.sleep_until(self._time.clock.now_ms + ms)
