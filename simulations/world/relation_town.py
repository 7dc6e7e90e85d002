"""The people of Relation ONE in a world: they register, follow, talk alone and in groups, and some mean harm."""

from collections import Counter
from collections.abc import Callable, Coroutine
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from actors.ans104.wallet import Wallet
from actors.processes.relation.message import GROUP
from actors.relation.archive_reader import read_back
from actors.relation.archives import FolderArchive
from actors.relation.packing import Packer
from actors.relation.payloads import BatchTransfer, Card, Image, Payload, Text, payload_text
from actors.relation.process_client import ProcessClient
from actors.relation.services import Services
from simulations.faults.faulty_network import Network
from simulations.faults.virtual_time import VirtualTime
from simulations.scenario.scenario import Faults, Scenario
from simulations.scenario.workload import DAY_S, HOUR_S, TALK_H, TICK_S, words
from simulations.world.invariants import Journal, check
from simulations.world.relation_attacks import ATTACKS, Aim
from simulations.world.relation_person import Proxy, RelationPerson

HOUR_MS = HOUR_S * 1000


class Home(NamedTuple):
    """What those who serve a world have of their own."""

    key: Wallet
    """The node's."""
    secret: Wallet
    """Opens the keys that are kept."""
    archive: Path
    """Folder for packs."""


class RelationOutcome(NamedTuple):
    """What their day came to."""

    people: int = 0
    follows: int = 0
    groups: int = 0
    renewed: int = 0
    """Session keys that ran out in use."""
    moved: int = 0
    """Times that somebody went to another proxy."""
    packs: int = 0
    packed: int = 0
    """Messages that were read back from the archive."""


class RelationTown:
    """People of Relation ONE on a node, in virtual time.

    Args:
        time: the world's.
        scenario: what the day is made of.
        seed: the same seed gives the same day.
        dawn_ms: when the day begins.
        home: the keys and the folder of whoever serves them.
        journal: notes what was said and read.
        progress: called for each message that was said.
    """

    def __init__(
        self,
        time: VirtualTime,
        scenario: Scenario,
        *,
        seed: int,
        dawn_ms: int,
        home: Home,
        journal: Journal,
        progress: Callable[[], Any],
    ) -> None:
        self._time, self._now, self._dawn_ms, self._seed = time, time.clock, dawn_ms, seed
        self._scenario, self._part = scenario, scenario.relation
        self._home, self._place = home, FolderArchive(home.archive)
        self._journal, self._progress = journal, progress
        self._count = max(round(scenario.population.users * self._part.share), 2)
        self._random = Random(f"{seed}/relation")
        self._people: list[RelationPerson] = []
        self._ready: set[int] = set()
        self._followed: Counter[int] = Counter()
        self._captured: dict[tuple[str, str], dict[str, Any]] = {}
        self._groups: dict[str, set[int]] = {}
        self._living = 0
        self._services: Services | None = None
        self._packer: Packer | None = None
        self.attempts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Everybody's day, each group's, and the archive's."""
        groups = self._scenario.groups.count // 2
        self._living = self._count + groups
        lives = [self._person(number, Random(f"{self._seed}/relation/{number}")) for number in range(self._count)]
        lives += [self._group(number, Random(f"{self._seed}/relation group/{number}")) for number in range(groups)]
        return [self._begin(), *lives, self._pack()]

    async def end(self) -> RelationOutcome:
        """Check what the day came to, when everybody has read everything.

        Raises:
            Finding: a chat, an unread count or the archive is wrong.
        """
        assert self._services is not None
        assert self._packer is not None
        await self._time.run([self._check(number) for number in range(self._count)])
        packed: list[int] = []
        await self._time.run([self._check_archive(packed)])
        return RelationOutcome(
            people=self._count,
            follows=self._followed.total(),
            groups=len(self._groups),
            renewed=sum(person.renewed for person in self._people),
            moved=sum(person.moved for person in self._people),
            packs=len(packed),
            packed=sum(packed),
        )

    async def catch_up(self) -> None:
        """Let everybody read what is left."""
        for number in range(self._count):
            await self._catch_up(number)

    async def _begin(self) -> None:
        """Start the processes, and give everybody their keys."""
        door = Network(self._time, Faults(), self._random)  # beside the node: nothing is lost but the node itself
        calls = ProcessClient(door, self._home.key, entropy=self._random.randbytes)
        services = await Services.of(calls, self._home.secret)
        away = [
            (self._at_ms(round(hour * HOUR_S)), self._at_ms(round((hour + self._part.proxy_away_h) * HOUR_S)))
            for hour in self._part.proxy_fails_h
        ]
        proxies = [
            Proxy(services, await services.proxy(f"proxy {number}"), self._now, [] if number else away)
            for number in range(self._part.proxies)
        ]
        self._packer = Packer(services, self._place, clock=self._now, interval_ms=round(self._part.pack_h * HOUR_MS))
        for number in range(self._count):
            random = Random(f"{self._seed}/relation/{number}/keys")
            self._people.append(
                RelationPerson(
                    f"one{number}.eth",
                    services,
                    proxies,
                    self._time,
                    self._scenario.faults,
                    entropy=random.randbytes,
                    random=Random(f"{self._seed}/relation/{number}/network"),
                    lasts_ms=round(self._part.delegation_h * HOUR_MS),
                )
            )
        self._services = services

    async def _person(self, number: int, random: Random) -> None:
        await self._until(random.randrange(2 * HOUR_S))
        while self._services is None:
            await self._tick()
        person = self._people[number]
        await person.contract("register", owner=person.address, name=person.handle, reverseRecord=True)
        self._ready.add(number)
        for at_s, kind in self._day(random):
            await self._until(at_s)
            other = random.choice([one for one in range(self._count) if one != number])
            while other not in self._ready:
                await self._tick()
            if kind == "talk":
                await self._say(number, other, random)
            elif kind == "follow":
                await self._follow(number, other)
            elif kind == "attack":
                await self._attack(number, other)
            else:
                await self._catch_up(number)
        self._living -= 1

    def _day(self, random: Random) -> list[tuple[int, str]]:
        """What somebody does when, in seconds into the day."""
        talk, presence, share = self._scenario.talk, self._scenario.presence, self._scenario.hostile.share
        messages = round(talk.messages * self._part.share / self._count)
        counts = {
            "talk": messages,
            "follow": min(self._part.friends, self._count - 1),
            "catch up": presence.catch_ups,
            "attack": max(round(messages * share), ceil(len(ATTACKS) / self._count)) if share else 0,
        }
        times = [
            (random.randrange(int((12 if kind == "attack" else TALK_H) * HOUR_S), DAY_S) // TICK_S * TICK_S, kind)
            for kind, count in counts.items()
            for _ in range(count)
        ]
        return sorted(times)

    async def _say(self, number: int, other: int, random: Random) -> None:
        sender, receiver = self._people[number], self._people[other]
        type_, text = _something(words(self._scenario, random), random)
        message = await sender.say(receiver.address, text, type_=type_)
        self._journal.says((sender.address, receiver.address), text, message, self._now())
        self._progress()

    async def _follow(self, number: int, other: int) -> None:
        person, friend = self._people[number], self._people[other]
        friends = await self._calls().ask(self._relation(), "following", addr=person.address)
        if friend.address not in friends:
            await person.contract("follow", addr=friend.address)
            self._followed[number] += 1

    async def _attack(self, number: int, other: int) -> None:
        attacker = self._people[number]
        captured = next((said for two, said in self._captured.items() if attacker.address not in two), None)
        if captured is None:
            return
        group = next((dao for dao, members in self._groups.items() if number not in members), "")
        kind = list(ATTACKS)[self.attempts.total() % len(ATTACKS)]
        self.attempts[kind] += 1
        if await ATTACKS[kind](attacker, Aim(self._people[other], captured, group, self._now())):
            self.refusals[kind] += 1

    async def _catch_up(self, number: int) -> None:
        person = self._people[number]
        while person.busy:  # in a group's name, somebody else lets them read
            await self._tick()
        person.busy = True
        for message, heard in await person.catch_up():
            to_group = message["kind"] == GROUP
            if to_group:
                voice = (f"{heard.sender} to {heard.receiver}", person.address)
            else:
                voice = (heard.sender, heard.receiver)
                self._captured.setdefault(voice, message)
            self._journal.reads(voice, heard.text, self._now())
        person.busy = False

    async def _group(self, number: int, random: Random) -> None:
        """A group's day: its people act in turn, so that it is known who belonged to it when something was said."""
        scenario = self._scenario.groups
        while len(self._ready) < self._count:
            await self._tick()
        everybody = random.sample(range(self._count), self._count)
        members = [everybody.pop() for _ in range(min(scenario.members, self._count))]
        founder = self._people[members[0]]
        answer = await founder.contract("deployDaoContract", owner=founder.address, name=f"group {number}")
        dao = str(answer["dao"])
        self._groups[dao] = set(members)
        await founder.contract("addMember", dao=dao, addr=[self._people[one].address for one in members[1:]])
        times = sorted(random.randrange(int((TALK_H + 1) * HOUR_S), DAY_S) for _ in range(scenario.messages))
        every = max(len(times) // (scenario.changes + 1), 1)
        for place, at_s in enumerate(times):
            await self._until(at_s // TICK_S * TICK_S)
            if place and place % every == 0 and everybody and len(members) > 1:
                await self._change(dao, members, everybody.pop(), random)
            speaker, text = random.choice(members), f"group {number}, message {place}"
            message = await self._people[speaker].say(dao, text, kind=GROUP)
            for reader in members:
                if reader != speaker:
                    voice = (f"{self._people[speaker].address} to {dao}", self._people[reader].address)
                    self._journal.says(voice, text, message, self._now())
            self._progress()
        self._living -= 1

    async def _change(self, dao: str, members: list[int], comes: int, random: Random) -> None:
        """Somebody leaves, who read everything before, and somebody comes, freely or added."""
        goes = members.pop(random.randrange(1, len(members)))
        founder, gone, new = self._people[members[0]], self._people[goes], self._people[comes]
        await self._catch_up(goes)
        leaver = random.choice([founder, gone])
        await leaver.contract("remove", dao=dao, addr=gone.address)
        if random.random() < 0.5:
            await founder.contract("setFreeJoin", dao=dao, free=True)
            await new.contract("join", dao=dao)
            await founder.contract("setFreeJoin", dao=dao, free=False)
        else:
            await founder.contract("addMember", dao=dao, addr=[new.address])
        members.append(comes)
        self._groups[dao] = set(members)

    async def _pack(self) -> None:
        while self._services is None:
            await self._tick()
        assert self._packer is not None
        while self._living:
            await self._packer.step()
            await self._time.sleep_until(self._now() + HOUR_MS)

    async def _check(self, number: int) -> None:
        """Chats and unread count of somebody who has read everything, at the proxy where they are now."""
        person = self._people[number]
        await person.read_all()
        unread, chats = await person.state()
        check(unread == 0, f"what {person.handle} has not read", 0, unread)
        partners = {
            one if other == person.address else other
            for one, other in self._journal.said
            if person.address in (one, other) and " to " not in one
        }
        groups = {dao for dao, members in self._groups.items() if number in members}
        found = {chat["id"] for chat in chats}
        check(found == partners | groups, f"{person.handle}'s chats", partners | groups, found)
        friends = await self._calls().ask(self._relation(), "following", addr=person.address)
        check(len(friends) == self._followed[number], f"{person.handle}'s friends", self._followed[number], friends)

    async def _check_archive(self, packed: list[int]) -> None:
        """Everything that was ever sent comes back from the newest id alone, in order."""
        assert self._packer is not None
        await self._packer.pack()
        state = await self._calls().ask(self._relation(), "waitingAfter", after=-1)
        if not state["messages"]:
            return
        newest = (await self._calls().ask(self._archive(), "getArchive"))["newest"]
        kept: list[str] = []
        async for transaction in read_back(self._place, newest):
            packed.append(len(transaction.messages))
            kept = [message.id for message in transaction.messages] + kept
        sent: list[str] = []
        while len(sent) < state["messages"]:
            rows = await self._calls().ask(self._relation(), "messagesAfter", after=len(sent) - 1, limit=500)
            sent += [row["message"]["id"] for row in rows]
        check(kept == sent, "what the archive keeps", f"{len(sent)} messages in order", f"{len(kept)} messages")

    def _calls(self) -> ProcessClient:
        assert self._services is not None
        return self._services.calls

    def _relation(self) -> str:
        assert self._services is not None
        return self._services.relation

    def _archive(self) -> str:
        assert self._services is not None
        return self._services.archive

    def _at_ms(self, day_s: int) -> int:
        return self._dawn_ms + day_s * 1000

    async def _until(self, day_s: int) -> None:
        await self._time.sleep_until(self._at_ms(day_s))

    async def _tick(self) -> None:
        await self._time.sleep_until(self._now() + TICK_S * 1000)


def _something(said: str, random: Random) -> tuple[str, str]:
    """A message's type and its payload: mostly text, and sometimes something else about it."""
    others: dict[str, Payload] = {
        "CARD": Card(f"https://example.org/{len(said)}", said, "https://example.org/icon.png"),
        "NFT": Image(f"https://example.org/nft/{len(said)}.png", "polygon"),
        "IMAGE": Image(f"https://example.org/{len(said)}.png", f"im/image/{len(said)}.png"),
        "EMOJI": Image(f"https://example.org/{len(said)}.jpg", f"im/emoji/{len(said)}.jpg"),
        "BATCH_TRANSFER": BatchTransfer("0x" + random.randbytes(32).hex(), "USDT", "20.0000", "a-b", ("c-d", "e-f")),
    }
    type_ = random.choice(list(others)) if random.random() < 0.2 else "TEXT"
    return type_, payload_text(type_, others.get(type_, Text(said or "…")))
