"""Pushes messages to the devices of senders and receivers as soon as they are durable.

There is no queue per device. A device has a position among all messages and gets those after it as fast as it reads.
So a slow device does not delay others, and a device that reconnects gets the messages that it missed exactly once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from actors.node.node import Node
from actors.processes.relation.message import P2P
from actors.relation.process_client import ProcessClient, Refused
from actors.relation.sessions import Login

PAGE = 100
SEND_S = 30.0
"""Time for which a device may read nothing before it is disconnected."""

SendMessages = Callable[[list[Any]], Awaitable[None]]


class _Device:
    def __init__(self, address: str) -> None:
        self.address, self.has_messages = address, asyncio.Event()


class PushService:
    """Wakes the connected devices that a new message is for.

    Args:
        node: reports each commit.
        calls: calls the process.
        relation: id of the process with the messages.
    """

    def __init__(self, node: Node, calls: ProcessClient, relation: str) -> None:
        self._calls, self._relation = calls, relation
        self._devices: defaultdict[str, set[_Device]] = defaultdict(set)
        self._checked_until = -1
        self._stopping = False
        self._committed = asyncio.Event()
        node.on_commit(self._on_commit)

    async def run(self) -> None:
        """Check for new messages after each commit, until cancelled."""
        while True:
            await self._committed.wait()
            self._committed.clear()
            while self._devices and await self._wake_receivers():
                pass

    def stop(self) -> None:
        """End the service of all devices. They may reconnect here or to another proxy."""
        self._stopping = True
        self._wake(*self._devices)

    async def serve(self, login: Login, since: int | None, send: SendMessages) -> None:
        """Send a device all messages from and to its account, until the task is cancelled or the service stops.

        Args:
            login: the device's login; it records the last message that was sent.
            since: index of the last message that the device has. None for the last one that was sent to it, or for the
                newest message if this is the device's first connection.
            send: sends messages to the device, the oldest first.

        Raises:
            TimeoutError: the device does not read.
            Refused: the messages cannot be read.
        """
        index = since if since is not None else login.sent
        if index is None:
            index = await self._newest()
        device = _Device(login.address)
        if not self._devices:
            self._checked_until = await self._newest()
        self._devices[device.address].add(device)
        try:
            while not self._stopping:
                device.has_messages.clear()
                rows = await self._calls.ask(
                    self._relation, "messagesAfter", addr=device.address, after=index, limit=PAGE
                )
                if rows:
                    await asyncio.wait_for(send([row["message"] for row in rows]), SEND_S)
                    index = login.sent = rows[-1]["place"]
                else:
                    login.sent = index
                    await device.has_messages.wait()
        finally:
            self._devices[device.address].discard(device)
            if not self._devices[device.address]:
                del self._devices[device.address]

    async def _wake_receivers(self) -> bool:
        """Wake the devices that the next page of messages is for. Returns whether there were any messages."""
        rows = await self._calls.ask(self._relation, "messagesAfter", after=self._checked_until, limit=PAGE)
        if rows:
            self._checked_until = rows[-1]["place"]
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
            return await self._calls.ask_list(self._relation, "members", dao=group)
        except Refused:  # the receiver of a hide message may be a person and not a group
            return []

    async def _newest(self) -> int:
        waiting = await self._calls.ask(self._relation, "waitingAfter", after=-1)
        return int(waiting["messages"]) - 1

    def _on_commit(self, events: int, seconds: float) -> None:
        self._committed.set()

    def _wake(self, *addresses: str) -> None:
        for address in addresses:
            for device in self._devices.get(address, ()):
                device.has_messages.set()
