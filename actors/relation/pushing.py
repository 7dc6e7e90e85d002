"""Messages go to the devices of those whom they are for, as soon as they are durable.

Nothing is queued for a device: it has a place among the messages, and is given what lies behind it when it takes it. So
one that is slow, or gone, costs the others nothing, and one that comes back gets what it missed, once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from actors.node.node import Node
from actors.processes.relation.message import P2P
from actors.relation.calls import ProcessClient, Refused
from actors.relation.logins import Login

PAGE = 100
SEND_S = 30.0
"""For so many seconds a device may take nothing."""

Take = Callable[[list[Any]], Awaitable[None]]


class _Device:
    def __init__(self, address: str) -> None:
        self.address, self.news = address, asyncio.Event()


class Pushing:
    """Wakes the devices that something came for.

    Args:
        node: says when something came.
        calls: speaks to the process.
        relation: id of the process with the messages.
    """

    def __init__(self, node: Node, calls: ProcessClient, relation: str) -> None:
        self._calls, self._relation = calls, relation
        self._devices: defaultdict[str, set[_Device]] = defaultdict(set)
        self._looked_until = -1
        self._stopping = False
        self._committed = asyncio.Event()
        node.on_commit(self._hear)

    async def run(self) -> None:
        """Look at what comes, until cancelled."""
        while True:
            await self._committed.wait()
            self._committed.clear()
            while self._devices and await self._look():
                pass

    def stop(self) -> None:
        """Let every device go: it may come back, here or elsewhere."""
        self._stopping = True
        self._wake(*self._devices)

    async def serve(self, login: Login, since: int | None, take: Take) -> None:
        """Give a device everything from and to its owner, until it takes no more, or until stopped.

        Args:
            login: whose; keeps what was sent to the device.
            since: place of the last message that the device has; None for the last that was sent to it, or, where
                that is the first time, the last that there is now.
            take: gives messages to the device, the oldest first.

        Raises:
            TimeoutError: it takes nothing.
            Refused: the messages cannot be read.
        """
        place = since if since is not None else login.sent
        if place is None:
            place = await self._newest()
        device = _Device(login.address)
        if not self._devices:
            self._looked_until = await self._newest()
        self._devices[device.address].add(device)
        try:
            while not self._stopping:
                device.news.clear()
                rows = await self._calls.ask(
                    self._relation, "messagesAfter", addr=device.address, after=place, limit=PAGE
                )
                if rows:
                    await asyncio.wait_for(take([row["message"] for row in rows]), SEND_S)
                    place = login.sent = rows[-1]["place"]
                else:
                    login.sent = place
                    await device.news.wait()
        finally:
            self._devices[device.address].discard(device)
            if not self._devices[device.address]:
                del self._devices[device.address]

    async def _look(self) -> bool:
        """Wake those that the next messages are for; whether there were any."""
        rows = await self._calls.ask(self._relation, "messagesAfter", after=self._looked_until, limit=PAGE)
        if rows:
            self._looked_until = rows[-1]["place"]
        groups = set()
        for message in (row["message"] for row in rows):
            self._wake(message["sender"], message["receiver"])
            if message["kind"] != P2P:
                groups.add(message["receiver"])
        for group in groups:
            self._wake(*await self._members(group))
        return bool(rows)

    async def _members(self, group: str) -> list[str]:
        try:
            members: list[str] = await self._calls.ask(self._relation, "members", dao=group)
        except Refused:  # a message that hides another may be for a person
            return []
        return members

    async def _newest(self) -> int:
        waiting = await self._calls.ask(self._relation, "waitingAfter", after=-1)
        return int(waiting["messages"]) - 1

    def _hear(self, events: int, seconds: float) -> None:
        self._committed.set()

    def _wake(self, *addresses: str) -> None:
        for address in addresses:
            for device in self._devices.get(address, ()):
                device.news.set()
