"""Groups of a town's people: who comes reads from then on, who leaves no further."""

from collections.abc import Callable
from random import Random

from simulations.clients.group import GroupChat
from simulations.clients.user import NodeClient, User
from simulations.scenario.scenario import Groups
from simulations.scenario.workload import DAY_S, HOUR_S, TALK_H, TICK_S
from simulations.world.invariants import Journal, check

Member = tuple[User, NodeClient]


class TownGroup:
    """One group's day. Its people act in turn here, while everything else goes on around them.

    Attributes:
        id: the group's process.
        ever: who was ever in it.
        times: when something is said, in seconds into the day.

    Args:
        number: which group.
        scenario: what its day is made of.
        people: everybody whom it may take in, with their ways to the node.
        journal: notes what was said and read.
        random: draws the day.
    """

    def __init__(self, number: int, scenario: Groups, people: list[Member], journal: Journal, random: Random) -> None:
        self._name, self._scenario, self._journal = f"group {number}", scenario, journal
        members = min(scenario.members, len(people))
        self._outside = random.sample(people, len(people))
        self._chats: list[tuple[User, GroupChat]] = []
        self._founders = [self._outside.pop() for _ in range(members)]
        times = (random.randrange(int((TALK_H + 1) * HOUR_S), DAY_S) for _ in range(scenario.messages))
        self.times = sorted(time // TICK_S * TICK_S for time in times)
        self._random = random
        self.id = ""
        self.ever = [user for user, _ in self._founders]

    async def found(self) -> None:
        """Found the group and give it its first key."""
        founder, door = self._founders[0]
        chat = await GroupChat.found(founder, door, self._name)
        self._chats.append((founder, chat))
        self.id = chat.group
        for user, way in self._founders[1:]:
            await chat.add([user.pid])
            self._chats.append((user, GroupChat(user, way, chat.group)))
        await chat.rotate_key()

    async def speak(self, number: int, now_ms: Callable[[], int]) -> None:
        """Let somebody say something; before some of it, somebody leaves and somebody comes.

        Args:
            number: how much was said before.
            now_ms: the virtual time.

        Raises:
            Finding: who left reads on, or who came reads what was before.
        """
        every = max(len(self.times) // (self._scenario.changes + 1), 1)
        if number and number % every == 0 and self._outside and len(self._chats) > 1:
            await self._change(now_ms)
        user, chat = self._random.choice(self._chats)
        text = f"{self._name}, message {number}"
        message = await chat.send(text)
        for reader, _ in self._chats:
            if reader is not user:
                self._journal.says(_voice(chat, user, reader), text, message, now_ms())

    async def read(self, now_ms: Callable[[], int]) -> None:
        """Let everybody read what they have not."""
        for reader, chat in self._chats:
            await self._read(reader, chat, now_ms)

    async def _change(self, now_ms: Callable[[], int]) -> None:
        founder, chat = self._chats[0]
        gone, left = self._chats.pop(self._random.randrange(1, len(self._chats)))
        await self._read(gone, left, now_ms)
        await chat.relay("Remove", {"members": [gone.pid]})
        user, door = self._outside.pop()
        self.ever.append(user)
        await chat.add([user.pid])
        await chat.rotate_key()
        came = GroupChat(user, door, chat.group)
        seen = await came.read()
        check(not seen, f"what {user.handle}, who just came, reads in {self._name}", [], seen)
        self._chats.append((user, came))
        kept = dict(left.keys)
        secret = await chat.send(f"{self._name} without {gone.handle}")
        for reader, _ in self._chats[1:]:
            self._journal.says(_voice(chat, founder, reader), f"{self._name} without {gone.handle}", secret, now_ms())
        seen = await left.read()
        check(not seen and left.keys == kept, f"what {gone.handle}, who left, reads in {self._name}", [], seen)

    async def _read(self, reader: User, chat: GroupChat, now_ms: Callable[[], int]) -> None:
        for message in await chat.read():
            if message.sender != reader.pid:
                self._journal.reads((f"{chat.group} to {reader.pid}", message.sender), message.text, now_ms())


def _voice(chat: GroupChat, sender: User, reader: User) -> tuple[str, str]:
    return f"{chat.group} to {reader.pid}", sender.pid
