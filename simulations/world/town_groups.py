"""Groups of MostAO's people: new members read from their joining on, former members read no further."""

from collections.abc import Callable
from random import Random

from simulations.clients.group import GroupChat
from simulations.clients.user import NodeClient, User
from simulations.scenario.scenario import Groups
from simulations.scenario.workload import DAY_S, HOUR_S, TALK_H, TICK_S
from simulations.world.invariants import Channel, Journal, check

Member = tuple[User, NodeClient]
READ_EVERY = 3
"""Messages between two moments at which a member reads and views the group."""


class TownGroup:
    """One group's day. Its people act one after another, so that the members at each message are known.

    Args:
        number: number of the group.
        scenario: numbers of members, messages and changes.
        people: all people, with their connections to the node.
        journal: records what is sent and read.
        random: draws the day.

    Attributes:
        id: process id of the group.
        all_members: all present and former members.
        times: times of the messages, in seconds into the day.
    """

    def __init__(self, number: int, scenario: Groups, people: list[Member], journal: Journal, random: Random) -> None:
        self._name, self._scenario, self._journal = f"group {number}", scenario, journal
        members = min(scenario.members, len(people))
        self._outside = random.sample(people, len(people))
        self._chats: list[tuple[User, GroupChat]] = []
        self._former: list[tuple[User, GroupChat]] = []
        """Former members. Once there are two, the first of them comes back."""
        self._founders = [self._outside.pop() for _ in range(members)]
        times = (random.randrange(int((TALK_H + 1) * HOUR_S), DAY_S) for _ in range(scenario.messages))
        self.times = sorted(time // TICK_S * TICK_S for time in times)
        self._random = random
        self.id = ""
        self.all_members = [user for user, _ in self._founders]

    async def create(self) -> None:
        """Create the group, add its first members, and give it its first key."""
        founder, client = self._founders[0]
        chat = await GroupChat.found(founder, client, self._name)
        self._chats.append((founder, chat))
        self.id = chat.group
        for user, member_client in self._founders[1:]:
            await chat.add([user.pid])
            self._chats.append((user, GroupChat(user, member_client, chat.group)))
        await chat.rotate_key()

    async def send(self, index: int, now_ms: Callable[[], int]) -> None:
        """Let a member send a message. Before some messages, a member leaves and another person joins.

        Args:
            index: number of earlier messages.
            now_ms: gives the virtual time in ms.

        Raises:
            Finding: the former member read a later message, or the new member an earlier one.
        """
        interval = max(len(self.times) // (self._scenario.changes + 1), 1)
        if index and index % interval == 0 and self._outside and len(self._chats) > 1:
            await self._replace_member(now_ms)
        if index % READ_EVERY == 0:
            await self._read(*self._chats[index % len(self._chats)], now_ms)
        user, chat = self._random.choice(self._chats)
        text = f"{self._name}, message {index}"
        message = await chat.send(text)
        for reader, _ in self._chats:
            if reader is not user:
                self._journal.record_sent(_channel(chat, user, reader), text, message, now_ms())

    async def read(self, now_ms: Callable[[], int]) -> None:
        """Let all members read their remaining messages."""
        for reader, chat in self._chats:
            await self._read(reader, chat, now_ms)

    async def _replace_member(self, now_ms: Callable[[], int]) -> None:
        """Remove a member, and add another person: a new one, or one who was a member before."""
        founder, chat = self._chats[0]
        leaver, leaver_chat = self._chats.pop(self._random.randrange(1, len(self._chats)))
        await self._read(leaver, leaver_chat, now_ms)
        self._former.append((leaver, leaver_chat))
        await chat.relay("Remove", {"members": [leaver.pid]})
        if len(self._former) > 1:
            user, joiner_chat = self._former.pop(0)
            self._former.clear()
        else:
            user, client = self._outside.pop()
            joiner_chat = GroupChat(user, client, chat.group)
            self.all_members.append(user)
        await chat.add([user.pid])
        await chat.rotate_key()
        messages = await joiner_chat.read()
        check(not messages, f"earlier messages of {self._name} that its new member {user.handle} reads", [], messages)
        self._chats.append((user, joiner_chat))
        keys = dict(leaver_chat.keys)
        text = f"{self._name} without {leaver.handle}"
        secret = await chat.send(text)
        for reader, _ in self._chats[1:]:
            self._journal.record_sent(_channel(chat, founder, reader), text, secret, now_ms())
        messages = await leaver_chat.read()
        unreadable = not messages and leaver_chat.keys == keys
        check(unreadable, f"messages of {self._name} that its former member {leaver.handle} reads", [], messages)
        await leaver_chat.relay("SendMessage", {"content": "bm8gbWVtYmVy"})  # the group refuses it

    async def _read(self, reader: User, chat: GroupChat, now_ms: Callable[[], int]) -> None:
        messages = await chat.read()
        for message in messages:
            if message.sender != reader.pid:
                self._journal.record_read((f"{chat.group} to {reader.pid}", message.sender), message.text, now_ms())
        if messages:
            await chat.relay("MarkAsViewed")


def _channel(chat: GroupChat, sender: User, reader: User) -> Channel:
    return f"{chat.group} to {reader.pid}", sender.pid
