"""A town: people who register, find each other, exchange keys and talk, and some who attack."""

from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from hashlib import shake_256
from itertools import count, islice
from random import Random
from typing import Any, NamedTuple

from actors import ItemRefused
from actors.relation.archives import ArchiveFailed
from actors.relation.process_client import Refused
from actors.relation.transactions import TransactionInvalid
from simulations.clients.encryption import CannotOpen
from simulations.clients.user import Chat, NodeClient, ReadMessage, User, UserError
from simulations.faults.crash_schedule import CrashSchedule
from simulations.faults.crashable_node import CrashableNode
from simulations.faults.fault import NetworkFault, NodeFault
from simulations.faults.faulty_network import FaultyNetwork
from simulations.faults.registry import Faults
from simulations.faults.virtual_time import IN_FLIGHT_MAX, VirtualClock, VirtualTime
from simulations.scenario.attacks import ATTACKS, Captured, Target
from simulations.scenario.scenario import Scenario
from simulations.scenario.workload import HOUR_S, TICK_S, Act, Life, plan_day
from simulations.world.burst import Burst
from simulations.world.chores import Chores
from simulations.world.errands import appoint, look_back, send_under_a_missing_key, stand_in
from simulations.world.invariants import ExpectedHandle, Finding, Journal, check, check_handle
from simulations.world.outsider import Outsider
from simulations.world.relation_town import Operator, RelationOutcome, RelationTown
from simulations.world.step_check import StepCheck
from simulations.world.town_groups import TownGroup

DAWN_MS = 1_767_225_600_000
"""Start of the day: 2026-01-01 00:00 UTC."""

_FIRST = ("ada", "ben", "cleo", "dara", "emil", "fay", "gus", "hana", "ivo", "jun", "kira", "lev", "mina", "noor")

_ACTION_FAILED = (UserError, CannotOpen, ItemRefused, Refused, TransactionInvalid, ArchiveFailed)


class Outcome(NamedTuple):
    """The results of a day."""

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
    """Number of refused attacks by kind."""
    groups: int = 0
    """Number of groups of MostAO's people."""
    relation: RelationOutcome = RelationOutcome()
    """The results of Relation ONE's people."""


class Town:
    """People on a node, in virtual time.

    Args:
        crashable: keeps the node.
        clock: the node's clock.
        scenario: numbers and probabilities of the day.
        operator: the keys and files of the operator.
        seed: the same seed gives the same day.
        progress: called for each message that is sent.
        checked: also compare the node with the model after each step.

    Attributes:
        journal: records what is sent and read.
        step_check: compares the node with the model; None if not ``checked``.
    """

    def __init__(
        self,
        crashable: CrashableNode,
        clock: VirtualClock,
        scenario: Scenario,
        operator: Operator,
        *,
        seed: int,
        progress: Callable[[], Any],
        checked: bool = False,
    ) -> None:
        node_faults = scenario.faults.of_kind(NodeFault)
        network_faults = scenario.faults.of_kind(NetworkFault)
        crashes = CrashSchedule(
            [sequence for fault in node_faults for sequence in fault.crashes_after()],
            [_time(day_s) for fault in node_faults for day_s in fault.crash_times_s()],
            Random(f"{seed}/crashes"),
        )
        users = scenario.population.users
        self._scenario = scenario
        self._time = VirtualTime(crashable, clock, crashes)
        self._lives = plan_day(scenario, seed)
        self._people = [User(_name(number), entropy=_entropy(f"{seed}/{number}")) for number in range(users)]
        self._clients: list[NodeClient] = [
            FaultyNetwork(self._time, network_faults, Random(f"{seed}/{number}/network"))
            if scenario.faults.any
            else self._time
            for number in range(users)
        ]
        self._outsider = Outsider(User("eve", entropy=_entropy(f"{seed}/outsider")), self._time)
        self._registered: set[int] = set()
        """Numbers of the people who have registered and have a profile."""
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
        further: list[User] = []
        self._chores: Chores | None = None
        self._burst: Burst | None = None
        if scenario.activity.chores:
            local = FaultyNetwork(self._time, Faults().of_kind(NetworkFault), Random(f"{seed}/chores network"))
            self._chores = Chores(f"{seed}/chores", local, clock)
            self._burst = Burst(f"{seed}/burst", local, crashable.verifiers_started)
            further = [*self._chores.people, *self._burst.people]
        self.step_check = StepCheck(crashable, clock, [*self._people, *further]) if checked else None
        self._time.observer = self.step_check
        self._relation = None
        groups = scenario.groups.count
        if scenario.relation.share:
            groups -= groups // 2
            self._relation = RelationTown(
                self._time,
                scenario,
                seed=seed,
                dawn_ms=DAWN_MS,
                operator=operator,
                journal=self.journal,
                progress=progress,
            )
        members = list(zip(self._people, self._clients, strict=True))
        self._groups = [
            TownGroup(number, scenario.groups, members, self.journal, Random(f"{seed}/group {number}"))
            for number in range(groups)
        ]

    @property
    def reply_times_us(self) -> Sequence[int]:
        """Real time in microseconds that the node took for each reply."""
        return self._time.reply_times_us

    async def run(self) -> Outcome:
        """Run the day to its end, and check the invariants.

        Raises:
            Finding: an action failed that must succeed, or a person did not read what was sent.
        """
        run, numbers = self._time.run, range(len(self._people))
        try:
            lives = [self._named(number, self._run_person(number, life)) for number, life in enumerate(self._lives)]
            lives += [self._run_group(group) for group in self._groups]
            if self._chores and self._burst:
                lives += [self._run_chores(self._chores), *self._burst.lives(self._time, DAWN_MS)]
            await run(lives + (self._relation.lives() if self._relation else []))
            await self._run_in_batches(self._named(number, self._catch_up(number)) for number in numbers)
            await run([group.read(self._now) for group in self._groups])
            if self._relation:
                await run([self._relation.catch_up()])
            self.journal.compare()
            await self._run_in_batches(self._check_handle(number) for number in numbers)
            relation = await self._relation.end() if self._relation else RelationOutcome()
        except _ACTION_FAILED as error:
            raise Finding(f"an action failed that must succeed: {error}") from error
        if self._relation:
            self._attempts += self._relation.attempts
            self._refusals += self._relation.refusals
        await self._run_in_batches(self._outsider.try_session(session) for session in self._sessions)
        if self.step_check:
            await self.step_check.check_all(self.journal)
        return Outcome(
            users=len(self._people),
            handles=sum(1 for user in self._people if user.pid),
            sessions=len(self._sessions),
            generations=self._outsider.generations,
            messages_sent=self.journal.message_count,
            messages_read=sum(map(len, self.journal.read.values())),
            hostile_attempts=self._attempts.total(),
            hostile_refused=self._refusals.total(),
            third_party_attempts=self._outsider.attempts,
            third_party_opened=self._outsider.opened,
            refusals=dict(sorted(self._refusals.items())),
            groups=len(self._groups),
            relation=relation,
        )

    async def _run_in_batches(self, coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Run many coroutines in batches, because all at the same time would take more memory than the day."""
        waiting = iter(coroutines)
        while batch := list(islice(waiting, IN_FLIGHT_MAX)):
            await self._time.run(batch)

    async def _named(self, number: int, actions: Coroutine[Any, Any, None]) -> None:
        """Run a person's actions; one that fails is a finding that names the person."""
        try:
            await actions
        except _ACTION_FAILED as error:
            user = self._people[number]
            text = f"an action of @{user.handle} failed that must succeed: {error}"
            raise Finding(text, process=user.pid) from error

    async def _run_person(self, number: int, life: Life) -> None:
        user, client, time = self._people[number], self._clients[number], self._time
        await time.sleep_until(_time(life.arrives_s))
        await user.register(client)
        await self._change_profile(number, f"neighbour {number}")
        acts = life.acts[::-1]
        life.acts.clear()
        while acts:
            act = acts.pop()  # releases the action, because the plans of a large town take much memory
            away_from, away_until = life.offline
            if away_from <= act.at_s < away_until and self._now() < _time(away_until):
                await time.sleep_until(_time(away_until))
                await self._catch_up(number)
            await time.sleep_until(_time(act.at_s))
            while act.other not in self._registered:  # faults may delay the other person's registration
                await time.sleep_until(self._now() + TICK_S * 1000)
            await self._act(number, act)

    async def _run_group(self, group: TownGroup) -> None:
        while len(self._registered) < len(self._people):
            await self._time.sleep_until(self._now() + TICK_S * 1000)
        await group.create()
        for index, at_s in enumerate(group.times):
            await self._time.sleep_until(_time(at_s))
            await group.send(index, self._now)
            self._progress()

    async def _run_chores(self, chores: Chores) -> None:
        """Spread the chores over the day."""
        await self._time.sleep_until(_time(HOUR_S))
        await chores.begin()
        count = self._scenario.activity.chores
        for number in range(count):
            await self._time.sleep_until(_time(2 * HOUR_S + number * 20 * HOUR_S // count))
            await chores.act()
            if self._relation and number % 2 and (running := self._relation.running):
                await chores.act_at_relation(*running)

    def _now(self) -> int:
        return self._time.clock.now_ms

    async def _act(self, number: int, act: Act) -> None:
        user, client, other = self._people[number], self._clients[number], self._people[act.other]
        if act.kind == "attack":
            await self._attack(number, act)
        elif act.kind == "catch up":
            await self._catch_up(number)
        elif act.kind == "profile":
            await self._change_profile(number, act.text)
        elif act.kind == "contact":
            await user.ask(client, user.pid, "AddContact", {"handle": other.handle, "note": act.text})
            self._contacts[number].add(other.handle)
        elif act.kind in ("look back", "delegate", "stand in", "mistake"):
            await self._run_errand(number, act)
        else:
            chat = await self._chat(number, other)
            if act.kind == "talk":
                await self._talk(user, chat, act)

    async def _run_errand(self, number: int, act: Act) -> None:
        user, client, other = self._people[number], self._clients[number], self._people[act.other]
        subject = other if act.kind == "stand in" else user
        sessions = self._sessions_of[subject]
        session = sessions[(number + act.other) % len(sessions)] if sessions else ""
        if act.kind == "delegate":
            await appoint(user, client, other, self._now())
        elif act.kind == "look back" and session:
            await look_back(user, client, session)
        elif act.kind == "stand in" and session:
            await stand_in(user, client, other, session)
        elif act.kind == "mistake" and user.chats:
            await send_under_a_missing_key(next(iter(user.chats.values())))

    async def _change_profile(self, number: int, bio: str) -> None:
        user = self._people[number]
        profile = user.item(user.pid, "ProfileUpdate", {"name": user.handle.title(), "bio": bio})
        result = await self._clients[number].send(profile)
        subject = f"the profile update of @{user.handle}"
        check(result.error is None, subject, "no error", result.error, process=user.pid)
        self._bios[number] = bio
        self._registered.add(number)
        if number in self._targets:
            self._captured[number] = Captured(profile, result)

    async def _check_handle(self, number: int) -> None:
        user = self._people[number]
        sessions = {*self._sessions_of[user], *(group.id for group in self._groups if user in group.all_members)}
        expected = ExpectedHandle(sessions, self._bios[number], self._contacts[number])
        await check_handle(user, expected, self._time)

    async def _chat(self, number: int, other: User) -> Chat:
        user = self._people[number]
        chat = user.chats.get(other.pid) or await user.establish_session(
            self._clients[number], with_handle=other.handle
        )
        if chat.session not in self._sessions:
            self._sessions[chat.session] = (user, other)
            for participant in (user, other):
                self._sessions_of[participant].append(chat.session)
        return chat

    async def _talk(self, user: User, chat: Chat, act: Act) -> None:
        if not chat.keys:
            await chat.fetch_keys()
        if act.rotate or not chat.keys:
            await chat.rotate_key()
        message = await chat.send(act.text)
        self.journal.record_sent((chat.session, user.pid), act.text, message, self._now())
        self._progress()

    async def _catch_up(self, number: int) -> None:
        for chat, messages in await self._people[number].catch_up(self._clients[number]):
            self._record_read(chat, messages)

    def _record_read(self, chat: Chat, messages: list[ReadMessage]) -> None:
        for message in messages:
            if message.sender == chat.other.pid:
                self.journal.record_read((chat.session, message.sender), message.text, self._now())

    async def _attack(self, number: int, act: Act) -> None:
        attacker = self._people[number]
        session = next((session for session, pair in self._sessions.items() if attacker not in pair), None)
        if session is None:
            return  # no session without the attacker exists yet
        target = Target(self._people[act.other], self._captured[act.other], session)
        self._attempts[act.text] += 1
        refused = await ATTACKS[act.text](attacker, target, self._clients[number])
        subject = f"hostile attempts: {act.text!r} by @{attacker.handle} against @{target.user.handle}"
        check(refused, subject, "refused", "accepted", process=target.user.pid)
        self._refusals[act.text] += 1


def _time(day_s: int) -> int:
    return DAWN_MS + day_s * 1000


def _name(number: int) -> str:
    first = _FIRST[number % len(_FIRST)]
    return first if number < len(_FIRST) else f"{first}{number // len(_FIRST)}"


def _entropy(seed: str) -> Callable[[int], bytes]:
    """A deterministic stream of bytes, which takes less memory than a ``Random``."""
    prefix, numbers = seed.encode(), count()
    return lambda length: shake_256(b"%b/%d" % (prefix, next(numbers))).digest(length)
