"""The people of Relation ONE in a world: they register, follow others, talk in pairs and groups, and attack."""

from collections import Counter
from collections.abc import Callable, Coroutine
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from actors.ans104.wallet import Wallet
from actors.processes.relation.message import GROUP
from actors.relation.folder_archive import FolderArchive
from actors.relation.packing import Packer
from actors.relation.process_client import ProcessClient
from actors.relation.services import Services
from simulations.faults.fault import NetworkFault
from simulations.faults.faulty_network import FaultyNetwork
from simulations.faults.registry import Faults
from simulations.faults.virtual_time import VirtualTime
from simulations.scenario.scenario import Scenario
from simulations.scenario.workload import DAY_S, HOUR_S, TALK_H, TICK_S, words
from simulations.world.invariants import Journal, check
from simulations.world.relation_attacks import ATTACKS, Target
from simulations.world.relation_checks import check_archive, check_person
from simulations.world.relation_groups import RelationGroup, group_channel
from simulations.world.relation_payloads import draw_payload
from simulations.world.relation_person import RelationPerson
from simulations.world.relation_proxy import Proxy

HOUR_MS = HOUR_S * 1000


class Operator(NamedTuple):
    """The keys and files of the operator of the node and its proxies."""

    key: Wallet
    """Key of the node."""
    secret: Wallet
    """Opens the keys that users save at the key keeper."""
    archive: Path
    """Folder for archive packs."""


class RelationOutcome(NamedTuple):
    """The results of a day."""

    people: int = 0
    follows: int = 0
    groups: int = 0
    renewed: int = 0
    """Number of session keys that expired in use."""
    moved: int = 0
    """Number of moves to another proxy."""
    packs: int = 0
    packed: int = 0
    """Number of messages read back from the archive."""


class RelationTown:
    """People of Relation ONE on a node, in virtual time.

    Args:
        time: the virtual time of the world.
        scenario: numbers and probabilities of the day.
        seed: the same seed gives the same day.
        dawn_ms: start of the day in ms since the epoch.
        operator: the keys and files of the operator.
        journal: records what is sent and read.
        progress: called for each message that is sent.

    Attributes:
        attempts: number of attacks by kind.
        refusals: number of refused attacks by kind.
    """

    def __init__(
        self,
        time: VirtualTime,
        scenario: Scenario,
        *,
        seed: int,
        dawn_ms: int,
        operator: Operator,
        journal: Journal,
        progress: Callable[[], Any],
    ) -> None:
        self._time, self._now, self._dawn_ms, self._seed = time, time.clock, dawn_ms, seed
        self._scenario, self._section = scenario, scenario.relation
        self._operator, self._archive = operator, FolderArchive(operator.archive)
        self._journal, self._progress = journal, progress
        self._count = max(round(scenario.population.users * self._section.share), 2)
        self._random = Random(f"{seed}/relation")
        self._people: list[RelationPerson] = []
        self._registered: set[int] = set()
        self._follows: Counter[int] = Counter()
        self._captured: dict[tuple[str, str], dict[str, Any]] = {}
        self._memberships: dict[str, set[int]] = {}
        self._active = 0
        self._proxy = ""
        self._services: Services | None = None
        self._packer: Packer | None = None
        self.attempts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """The coroutines of the day: of the setup, of each person, of each group, and of the packing."""
        groups = self._scenario.groups.count // 2
        self._active = self._count + groups
        lives = [self._run_person(number, Random(f"{self._seed}/relation/{number}")) for number in range(self._count)]
        lives += [self._run_group(number, Random(f"{self._seed}/relation group/{number}")) for number in range(groups)]
        return [self._set_up(), *lives, self._pack()]

    @property
    def running(self) -> tuple[Services, Wallet, str] | None:
        """The processes, the operator's key, and the first proxy's process; None before they are started."""
        return (self._services, self._operator.key, self._proxy) if self._services else None

    async def end(self) -> RelationOutcome:
        """Check the state of all people, who have read everything, and of the archive.

        Raises:
            Finding: a chat, an unread count or the archive is wrong.
        """
        await self._time.run([self._check_person(number) for number in range(self._count)])
        packed: list[int] = []
        await self._time.run([self._check_archive(packed)])
        return RelationOutcome(
            people=self._count,
            follows=self._follows.total(),
            groups=len(self._memberships),
            renewed=sum(person.renewed for person in self._people),
            moved=sum(person.moved for person in self._people),
            packs=len(packed),
            packed=sum(packed),
        )

    async def catch_up(self) -> None:
        """Let all people read their remaining messages."""
        for number in range(self._count):
            await self._catch_up(number)

    async def _set_up(self) -> None:
        """Start the processes and proxies, and create all people's keys."""
        # The operator is on the node's machine: its network loses nothing, but it retries when the node crashes.
        local = FaultyNetwork(self._time, Faults().of_kind(NetworkFault), self._random)
        calls = ProcessClient(local, self._operator.key, entropy=self._random.randbytes)
        services = await Services.of(calls, self._operator.secret)
        down_ms = [
            (self._at_ms(round(hour * HOUR_S)), self._at_ms(round((hour + self._section.proxy_away_h) * HOUR_S)))
            for hour in self._section.proxy_fails_h
        ]
        states = [await services.proxy(f"proxy {number}") for number in range(self._section.proxies)]
        proxies = [Proxy(services, state, self._now, [] if number else down_ms) for number, state in enumerate(states)]
        self._proxy = states[0]
        self._packer = Packer(
            services, self._archive, clock=self._now, interval_ms=round(self._section.pack_h * HOUR_MS)
        )
        for number in range(self._count):
            random = Random(f"{self._seed}/relation/{number}/keys")
            self._people.append(
                RelationPerson(
                    f"one{number}.eth",
                    services,
                    proxies,
                    self._time,
                    self._scenario.faults.of_kind(NetworkFault),
                    entropy=random.randbytes,
                    random=Random(f"{self._seed}/relation/{number}/network"),
                    lasts_ms=round(self._section.delegation_h * HOUR_MS),
                )
            )
        self._services = services

    async def _run_person(self, number: int, random: Random) -> None:
        await self._sleep_until(random.randrange(2 * HOUR_S))
        while self._services is None:
            await self._wait_a_tick()
        person = self._people[number]
        await person.contract("register", owner=person.address, name=person.handle, reverseRecord=True)
        self._registered.add(number)
        for at_s, kind in self._plan_day(random):
            await self._sleep_until(at_s)
            other = random.choice([index for index in range(self._count) if index != number])
            while other not in self._registered:
                await self._wait_a_tick()
            if kind == "talk":
                await self._talk(number, other, random)
            elif kind == "follow":
                await self._follow(number, other)
            elif kind == "attack":
                await self._attack(number, other)
            else:
                await self._catch_up(number)
        self._active -= 1

    def _plan_day(self, random: Random) -> list[tuple[int, str]]:
        """Draw the times (in seconds into the day) and kinds of a person's actions."""
        talk, presence, share = self._scenario.talk, self._scenario.presence, self._scenario.hostile.share
        messages = round(talk.messages * self._section.share / self._count)
        counts = {
            "talk": messages,
            "follow": min(self._section.friends, self._count - 1),
            "catch up": presence.catch_ups,
            "attack": max(round(messages * share), ceil(len(ATTACKS) / self._count)) if share else 0,
        }
        times = [
            (random.randrange(int((12 if kind == "attack" else TALK_H) * HOUR_S), DAY_S) // TICK_S * TICK_S, kind)
            for kind, count in counts.items()
            for _ in range(count)
        ]
        return sorted(times)

    async def _talk(self, number: int, other: int, random: Random) -> None:
        sender, receiver = self._people[number], self._people[other]
        type_, text = draw_payload(words(self._scenario, random), random)
        message = await sender.send_text(receiver.address, text, type_=type_)
        self._journal.record_sent((sender.address, receiver.address), text, message, self._now())
        self._progress()

    async def _follow(self, number: int, other: int) -> None:
        person, friend = self._people[number], self._people[other]
        services = self._running()
        friends = await services.calls.ask(services.relation, "following", addr=person.address)
        if friend.address not in friends:
            await person.contract("follow", addr=friend.address)
            self._follows[number] += 1

    async def _attack(self, number: int, other: int) -> None:
        attacker = self._people[number]
        captured = next((sent for pair, sent in self._captured.items() if attacker.address not in pair), None)
        if captured is None:
            return
        group = next((dao for dao, members in self._memberships.items() if number not in members), "")
        kind = list(ATTACKS)[self.attempts.total() % len(ATTACKS)]
        self.attempts[kind] += 1
        victim = self._people[other]
        refused = await ATTACKS[kind](attacker, Target(victim, captured, group, self._now()))
        subject = f"hostile attempts: {kind!r} by {attacker.handle} against {victim.handle}"
        check(refused, subject, "refused", "accepted", process=self._running().relation)
        self.refusals[kind] += 1

    async def _catch_up(self, number: int) -> None:
        person = self._people[number]
        while person.busy:  # a group that the person leaves may let them read at the same time
            await self._wait_a_tick()
        person.busy = True
        for message, opened in await person.catch_up():
            if message["kind"] == GROUP:
                channel = group_channel(opened.sender, opened.receiver, person.address)
            else:
                channel = (opened.sender, opened.receiver)
                self._captured.setdefault(channel, message)
            self._journal.record_read(channel, opened.text, self._now())
        person.busy = False

    async def _run_group(self, number: int, random: Random) -> None:
        while len(self._registered) < self._count:
            await self._wait_a_tick()
        group = RelationGroup(
            number,
            self._scenario.groups,
            self._people,
            self._memberships,
            self._journal,
            catch_up=self._catch_up,
            random=random,
        )
        await group.create()
        for index, at_s in enumerate(group.times):
            await self._sleep_until(at_s // TICK_S * TICK_S)
            await group.send(index, self._now)
            self._progress()
        self._active -= 1

    async def _pack(self) -> None:
        while self._services is None:
            await self._wait_a_tick()
        assert self._packer is not None
        while self._active:
            await self._packer.step()
            await self._time.sleep_until(self._now() + HOUR_MS)

    async def _check_person(self, number: int) -> None:
        groups = [dao for dao, members in self._memberships.items() if number in members]
        await check_person(
            self._people[number], self._running(), self._journal, groups=groups, follows=self._follows[number]
        )

    async def _check_archive(self, packed: list[int]) -> None:
        assert self._packer is not None
        packed += await check_archive(self._packer, self._running(), self._archive)

    def _running(self) -> Services:
        assert self._services is not None
        return self._services

    def _at_ms(self, day_s: int) -> int:
        return self._dawn_ms + day_s * 1000

    async def _sleep_until(self, day_s: int) -> None:
        await self._time.sleep_until(self._at_ms(day_s))

    async def _wait_a_tick(self) -> None:
        await self._time.sleep_until(self._now() + TICK_S * 1000)
