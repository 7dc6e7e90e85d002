"""A town: people who register, find each other, exchange keys and talk, and some who mean harm."""

from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable
from hashlib import shake_256
from itertools import count, islice
from random import Random
from typing import Any, NamedTuple

from hdrh.histogram import HdrHistogram

from actors import ItemRefused
from actors.relation.archives import ArchiveFailed
from actors.relation.process_client import Refused
from actors.relation.transactions import TransactionInvalid
from simulations.clients.encryption import CannotOpen, decrypt, open_session_key
from simulations.clients.user import Chat, NodeClient, ReadMessage, User, UserError
from simulations.faults.crash_schedule import PlannedCrashes
from simulations.faults.crashable_node import CrashableNode
from simulations.faults.faulty_network import Network
from simulations.faults.virtual_time import ASKED_AT_ONCE_MAX, VirtualClock, VirtualTime
from simulations.scenario.attacks import ATTACKS, Captured, Target
from simulations.scenario.scenario import Scenario
from simulations.scenario.workload import HOUR_S, TICK_S, Act, Life, plan_day
from simulations.world.invariants import Finding, Journal, Kept, check, check_handle
from simulations.world.relation_town import Home, RelationOutcome, RelationTown
from simulations.world.town_groups import TownGroup

DAWN_MS = 1_767_225_600_000
"""When the day begins: 2026-01-01 00:00 UTC."""

_FIRST = ("ada", "ben", "cleo", "dara", "emil", "fay", "gus", "hana", "ivo", "jun", "kira", "lev", "mina", "noor")


class Outcome(NamedTuple):
    """What a day came to."""

    users: int
    handles: int
    sessions: int
    generations: int
    messages_sent: int
    messages_read: int
    hostile_attempts: int
    hostile_refused: int
    third_party_attempts: int
    third_party_opened: int
    refusals: dict[str, int]
    """Hostile attempts that were refused, by kind."""
    groups: int = 0
    """Of the town's people."""
    relation: RelationOutcome = RelationOutcome()
    """What the people of Relation ONE did."""


class Town:
    """People on a node, in virtual time.

    Args:
        house: keeps the node.
        clock: the node's.
        scenario: what the day is made of.
        home: the keys and the folder of whoever serves it.
        seed: the same seed gives the same day.
        progress: called for each message that was said.
    """

    def __init__(
        self,
        house: CrashableNode,
        clock: VirtualClock,
        scenario: Scenario,
        home: Home,
        *,
        seed: int,
        progress: Callable[[], Any],
    ) -> None:
        faults = scenario.faults
        at_ms = [_time(round(hour * HOUR_S)) for hour in faults.crash_at_h]
        crashes = PlannedCrashes(faults.crash_at_message, at_ms, Random(f"{seed}/crashes"))
        users = scenario.population.users
        self._time = VirtualTime(house, clock, crashes)
        self._lives = plan_day(scenario, seed)
        self._people = [User(_name(number), entropy=_entropy(f"{seed}/{number}")) for number in range(users)]
        self._doors: list[NodeClient] = [
            Network(self._time, faults, Random(f"{seed}/{number}/network")) if faults.any else self._time
            for number in range(users)
        ]
        self._outsider = User("eve", entropy=_entropy(f"{seed}/outsider"))
        self._there: set[int] = set()
        """Whose profile is there."""
        self._targets = {act.other for life in self._lives for act in life.acts if act.kind == "attack"}
        self._captured: dict[int, Captured] = {}
        self._bios: dict[int, str] = {}
        self._contacts: defaultdict[int, set[str]] = defaultdict(set)
        self._sessions: dict[str, tuple[User, User]] = {}
        self._sessions_of: defaultdict[User, list[str]] = defaultdict(list)
        self._attempts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._progress = progress
        self.journal = Journal()
        self._relation = None
        groups = scenario.groups.count
        if scenario.relation.share:
            groups -= groups // 2
            self._relation = RelationTown(
                self._time, scenario, seed=seed, dawn_ms=DAWN_MS, home=home, journal=self.journal, progress=progress
            )
        members = list(zip(self._people, self._doors, strict=True))
        self._groups = [
            TownGroup(number, scenario.groups, members, self.journal, Random(f"{seed}/group {number}"))
            for number in range(groups)
        ]

    @property
    def answered_us(self) -> HdrHistogram:
        """How long the node took to answer."""
        return self._time.answered_us

    async def live(self) -> Outcome:
        """Live the day to its end, and check what it came to.

        Raises:
            Finding: somebody was refused what has to be granted, or read something other than what was sent.
        """
        run, everybody = self._time.run, range(len(self._people))
        try:
            lives = [self._live(number, life) for number, life in enumerate(self._lives)]
            lives += [self._live_in(group) for group in self._groups]
            await run(lives + (self._relation.lives() if self._relation else []))
            await self._in_turns(self._catch_up(number) for number in everybody)
            await run([group.read(self._now) for group in self._groups])
            if self._relation:
                await run([self._relation.catch_up()])
            self.journal.compare()
            await self._in_turns(self._check_handle(number) for number in everybody)
            relation = await self._relation.end() if self._relation else RelationOutcome()
        except (UserError, CannotOpen, ItemRefused, Refused, TransactionInvalid, ArchiveFailed) as error:
            raise Finding(f"somebody could not do what has to be possible: {error}") from error
        if self._relation:
            self._attempts += self._relation.attempts
            self._refusals += self._relation.refusals
        opened: list[bool] = []
        generations: list[int] = []
        await self._in_turns(self._pry(session, opened, generations) for session in self._sessions)
        return Outcome(
            users=len(self._people),
            handles=sum(1 for user in self._people if user.pid),
            sessions=len(self._sessions),
            generations=sum(generations),
            messages_sent=self.journal.sent,
            messages_read=sum(map(len, self.journal.read.values())),
            hostile_attempts=self._attempts.total(),
            hostile_refused=self._refusals.total(),
            third_party_attempts=len(opened),
            third_party_opened=sum(opened),
            refusals=dict(sorted(self._refusals.items())),
            groups=len(self._groups),
            relation=relation,
        )

    async def _in_turns(self, lives: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Run what many people do at the day's end, some at a time: all at once would take more memory than the day."""
        waiting = iter(lives)
        while some := list(islice(waiting, ASKED_AT_ONCE_MAX)):
            await self._time.run(some)

    async def _live(self, number: int, life: Life) -> None:
        user, door, clock = self._people[number], self._doors[number], self._time
        await clock.sleep_until(_time(life.arrives_s))
        await user.register(door)
        await self._change_profile(number, f"neighbour {number}")
        acts = life.acts[::-1]
        life.acts.clear()
        while acts:
            act = acts.pop()  # what is done is forgotten: a large town's plans take much memory
            away_from, away_until = life.offline
            if away_from <= act.at_s < away_until and clock.clock.now_ms < _time(away_until):
                await clock.sleep_until(_time(away_until))
                await self._catch_up(number)
            await clock.sleep_until(_time(act.at_s))
            while act.other not in self._there:  # whose registration was held up
                await clock.sleep_until(clock.clock.now_ms + TICK_S * 1000)
            await self._act(number, act)

    async def _live_in(self, group: TownGroup) -> None:
        while len(self._there) < len(self._people):  # until everybody is there
            await self._time.sleep_until(self._now() + TICK_S * 1000)
        await group.found()
        for number, at_s in enumerate(group.times):
            await self._time.sleep_until(_time(at_s))
            await group.speak(number, self._now)
            self._progress()

    def _now(self) -> int:
        return self._time.clock.now_ms

    async def _act(self, number: int, act: Act) -> None:
        user, door, other = self._people[number], self._doors[number], self._people[act.other]
        if act.kind == "attack":
            await self._attack(number, act)
        elif act.kind == "catch up":
            await self._catch_up(number)
        elif act.kind == "profile":
            await self._change_profile(number, act.text)
        elif act.kind == "contact":
            await user.ask(door, user.pid, "AddContact", {"handle": other.handle, "note": act.text})
            self._contacts[number].add(other.handle)
        else:
            chat = await self._chat(number, other)
            if act.kind == "talk":
                await self._talk(user, chat, act)

    async def _change_profile(self, number: int, bio: str) -> None:
        user = self._people[number]
        profile = user.item(user.pid, "ProfileUpdate", {"name": user.handle.title(), "bio": bio})
        result = await self._doors[number].send(profile)
        check(result.error is None, f"{user.handle}'s profile", "is kept", result.error)
        self._bios[number] = bio
        self._there.add(number)
        if number in self._targets:
            self._captured[number] = Captured(profile, result)

    async def _check_handle(self, number: int) -> None:
        user = self._people[number]
        sessions = {*self._sessions_of[user], *(group.id for group in self._groups if user in group.ever)}
        kept = Kept(sessions, self._bios[number], self._contacts[number])
        await check_handle(user, kept, self._time)

    async def _chat(self, number: int, other: User) -> Chat:
        user = self._people[number]
        chat = user.chats.get(other.pid) or await user.establish_session(self._doors[number], with_handle=other.handle)
        if chat.session not in self._sessions:
            self._sessions[chat.session] = (user, other)
            for one in (user, other):
                self._sessions_of[one].append(chat.session)
        return chat

    async def _talk(self, user: User, chat: Chat, act: Act) -> None:
        if not chat.keys:
            await chat.fetch_keys()
        if act.rotate or not chat.keys:
            await chat.rotate_key()
        message = await chat.send(act.text)
        self.journal.says((chat.session, user.pid), act.text, message, self._time.clock.now_ms)
        self._progress()

    async def _catch_up(self, number: int) -> None:
        for chat, messages in await self._people[number].catch_up(self._doors[number]):
            self._hear(chat, messages)

    def _hear(self, chat: Chat, messages: list[ReadMessage]) -> None:
        for message in messages:
            if message.sender == chat.other.pid:
                self.journal.reads((chat.session, message.sender), message.text, self._time.clock.now_ms)

    async def _attack(self, number: int, act: Act) -> None:
        attacker = self._people[number]
        session = next((session for session, two in self._sessions.items() if attacker not in two), None)
        if session is None:
            return  # in so small a town there is nothing to intrude upon yet
        target = Target(self._people[act.other], self._captured[act.other], session)
        self._attempts[act.text] += 1
        if await ATTACKS[act.text](attacker, target, self._doors[number]):
            self._refusals[act.text] += 1

    async def _pry(self, session: str, opened: list[bool], generations: list[int]) -> None:
        """Somebody who has no part in a session takes all that the node gives anyone, and tries to open it."""
        outsider = self._outsider
        batches = await outsider.query(self._time, session, "GetCurrentKeys")
        generations.append(sum(batch["generation"] for batch in batches))
        for batch in batches:
            for sealed in (batch["encrypted_sk_by_a"], batch["encrypted_sk_by_b"]):
                opened.append(_opens(open_session_key, sealed, outsider.key))
        for row in await outsider.query(self._time, session, "QueryMessage", {"limit": 1}):
            opened.append(_opens(decrypt, row["content"], bytes(outsider.key)))


def _opens(attempt: Callable[..., object], *arguments: object) -> bool:
    try:
        attempt(*arguments)
    except CannotOpen:
        return False
    return True


def _time(day_s: int) -> int:
    return DAWN_MS + day_s * 1000


def _name(number: int) -> str:
    first = _FIRST[number % len(_FIRST)]
    return first if number < len(_FIRST) else f"{first}{number // len(_FIRST)}"


def _entropy(seed: str) -> Callable[[int], bytes]:
    """A stream of bytes that follows from a seed, in less memory than a generator of random numbers takes."""
    begun, numbers = seed.encode(), count()
    return lambda length: shake_256(b"%b/%d" % (begun, next(numbers))).digest(length)
