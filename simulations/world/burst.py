"""A pair of people whose messages arrive many at a time, with forged ones between them."""

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from actors import ItemRefused
from simulations.clients.user import Chat, NodeClient, User
from simulations.faults.virtual_time import VirtualTime
from simulations.world.invariants import Finding

HOUR_MS = 3_600_000
SIGNATURE_BYTE = 7
"""A byte of an item's signature."""


class Burst:
    """A pair of people whose messages arrive at the same time, more than in a page, with forged ones between them.

    Args:
        seed: the same seed gives the same messages.
        client: the connection to the node.
        verifiers_started: waits until the node verifies in child processes.
    """

    SENDERS = 26
    TIMES_H = (9.0, 9.5, 10.0, 10.5)

    def __init__(
        self, seed: str, client: NodeClient, verifiers_started: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._random, self._client, self._verifiers_started = Random(seed), client, verifiers_started
        self.people = [User(name, entropy=self._random.randbytes) for name in ("yuri", "zoe")]

    def lives(self, time: VirtualTime, dawn_ms: int) -> list[Coroutine[Any, Any, None]]:
        """One coroutine for each sender; the day begins at ``dawn_ms``."""
        return [self._run(sender, time, dawn_ms) for sender in range(self.SENDERS)]

    async def _run(self, sender: int, time: VirtualTime, dawn_ms: int) -> None:
        if not sender:
            await time.sleep_until(dawn_ms + HOUR_MS)
            await self.begin()
        for index, hour in enumerate(self.TIMES_H):
            await time.sleep_until(dawn_ms + round(hour * HOUR_MS))
            await self.send(sender, index)
        if not sender:
            await time.sleep_until(dawn_ms + round((hour + 0.1) * HOUR_MS))
            await self.look()

    async def begin(self) -> None:
        """Register both people, and exchange a key."""
        for user in self.people:
            await user.register(self._client)
        await (await self._establish()).rotate_key()

    async def send(self, sender: int, index: int) -> None:
        """Send one message of a burst, or a forged one.

        Args:
            sender: number of the sender.
            index: number of the burst.

        Raises:
            Finding: the node accepted a forged message.
        """
        chat = self.people[0].chats[self.people[1].pid]
        if sender or not index:
            await chat.send(f"burst {index}, message {sender}")
            return
        await self._verifiers_started()
        item = bytearray(self.people[0].item(self.people[0].pid, "ProfileUpdate", {"bio": "forged"}))
        item[SIGNATURE_BYTE] ^= 1
        try:
            await self._client.send(bytes(item))
        except ItemRefused:
            return
        raise Finding("a forged message among many: expected a refusal", process=self.people[0].pid)

    async def look(self) -> None:
        """Query the newest page of the session."""
        chat = self.people[0].chats[self.people[1].pid]
        await self.people[0].query(self._client, chat.session, "QueryMessage", {})
        await self.people[0].query(self._client, chat.session, "GetCurrentKey", {})

    async def _establish(self) -> Chat:
        return await self.people[0].establish_session(self._client, with_handle=self.people[1].handle)
