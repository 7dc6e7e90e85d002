"""A town: people who register, find each other, exchange keys and talk, and some who mean harm."""

from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from actors import ItemRefused, Node
from simulations.attacks import ATTACKS, Captured, Target
from simulations.plan import Act, Life, plan_town
from simulations.sealing import CannotOpen, decrypt, open_session_key
from simulations.user import Chat, ReadMessage, User, UserError
from simulations.virtual import VirtualClock, VirtualTime

DAWN_MS = 1_767_225_600_000
"""When the day begins: 2026-01-01 00:00 UTC."""

_FIRST = ("ada", "ben", "cleo", "dara", "emil", "fay", "gus", "hana", "ivo", "jun", "kira", "lev", "mina", "noor")


class Finding(Exception):
    """The world is not as it has to be; says what was expected and what was found."""


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


class Town:
    """People on a node, in virtual time."""

    def __init__(
        self, node: Node, clock: VirtualClock, *, users: int, messages: int, seed: int, progress: Callable[[], Any]
    ) -> None:
        self._door = VirtualTime(node, clock)
        self._lives = plan_town(users=users, messages=messages, seed=seed, attacks=tuple(ATTACKS))
        self._people = [User(_name(number), entropy=_entropy(f"{seed}/{number}")) for number in range(users)]
        self._outsider = User("eve", entropy=_entropy(f"{seed}/outsider"))
        self._captured: dict[int, Captured] = {}
        self._said: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._heard: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._sessions: dict[str, tuple[User, User]] = {}
        self._attempts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._progress = progress

    async def live(self) -> Outcome:
        """Live the day to its end, and check what it came to.

        Raises:
            Finding: somebody was refused what has to be granted, or read something other than what was sent.
        """
        door = self._door
        try:
            await door.run([self._live(number, life) for number, life in enumerate(self._lives)])
            await door.run([self._catch_up(user) for user in self._people])
        except (UserError, CannotOpen, ItemRefused) as error:
            raise Finding(f"somebody could not do what has to be possible: {error}") from error
        self._compare()
        opened: list[bool] = []
        generations: list[int] = []
        await door.run([self._pry(session, opened, generations) for session in self._sessions])
        return Outcome(
            users=len(self._people),
            handles=sum(1 for user in self._people if user.pid),
            sessions=len(self._sessions),
            generations=sum(generations),
            messages_sent=sum(map(len, self._said.values())),
            messages_read=sum(map(len, self._heard.values())),
            hostile_attempts=self._attempts.total(),
            hostile_refused=self._refusals.total(),
            third_party_attempts=len(opened),
            third_party_opened=sum(opened),
            refusals=dict(sorted(self._refusals.items())),
        )

    async def _live(self, number: int, life: Life) -> None:
        user, door = self._people[number], self._door
        await door.sleep_until(_time(life.arrives_s))
        await user.register(door)
        profile = user.item(user.pid, "ProfileUpdate", {"name": user.handle.title(), "bio": f"neighbour {number}"})
        result = await door.send(profile)
        _check(result.error is None, f"{user.handle}'s profile", "is kept", result.error)
        self._captured[number] = Captured(profile, result)
        for act in life.acts:
            away_from, away_until = life.offline
            if away_from <= act.at_s < away_until and door.clock.now_ms < _time(away_until):
                await door.sleep_until(_time(away_until))
                await self._catch_up(user)
            await door.sleep_until(_time(act.at_s))
            if act.kind == "attack":
                await self._attack(number, act)
            elif act.kind == "catch up":
                await self._catch_up(user)
            else:
                chat = await self._chat(user, self._people[act.other])
                if act.kind == "talk":
                    await self._talk(user, chat, act)

    async def _chat(self, user: User, other: User) -> Chat:
        chat = user.chats.get(other.pid) or await user.establish_session(self._door, with_handle=other.handle)
        self._sessions.setdefault(chat.session, (user, other))
        return chat

    async def _talk(self, user: User, chat: Chat, act: Act) -> None:
        if not chat.keys:
            await chat.fetch_keys()
        if act.rotate or not chat.keys:
            await chat.rotate_key()
        await chat.send(act.text)
        self._said[chat.session, user.pid].append(act.text)
        self._progress()

    async def _catch_up(self, user: User) -> None:
        for chat, messages in await user.catch_up(self._door):
            self._hear(chat, messages)

    def _hear(self, chat: Chat, messages: list[ReadMessage]) -> None:
        for message in messages:
            if message.sender == chat.other.pid:
                self._heard[chat.session, message.sender].append(message.text)

    async def _attack(self, number: int, act: Act) -> None:
        attacker = self._people[number]
        session = next((session for session, two in self._sessions.items() if attacker not in two), None)
        if session is None:
            return  # in so small a town there is nothing to intrude upon yet
        target = Target(self._people[act.other], self._captured[act.other], session)
        self._attempts[act.text] += 1
        if await ATTACKS[act.text](attacker, target, self._door):
            self._refusals[act.text] += 1

    def _compare(self) -> None:
        """Everybody read what was written to them: every message, once, in order."""
        for (session, sender), said in self._said.items():
            heard = self._heard[session, sender]
            for place in range(max(len(said), len(heard))):
                expected, found = said[place : place + 1], heard[place : place + 1]
                _check(expected == found, f"message {place + 1} of {sender} in session {session}", expected, found)

    async def _pry(self, session: str, opened: list[bool], generations: list[int]) -> None:
        """Somebody who has no part in a session takes all that the node gives anyone, and tries to open it."""
        outsider = self._outsider
        batches = await outsider.query(self._door, session, "GetCurrentKeys")
        generations.append(sum(batch["generation"] for batch in batches))
        for batch in batches:
            for sealed in (batch["encrypted_sk_by_a"], batch["encrypted_sk_by_b"]):
                opened.append(_opens(open_session_key, sealed, outsider.key))
        for row in await outsider.query(self._door, session, "QueryMessage", {"limit": 1}):
            opened.append(_opens(decrypt, row["content"], bytes(outsider.key)))


def _opens(attempt: Callable[..., object], *arguments: object) -> bool:
    try:
        attempt(*arguments)
    except CannotOpen:
        return False
    return True


def _check(holds: bool, what: str, expected: object, found: object) -> None:
    if not holds:
        raise Finding(f"{what}: expected {expected!r}, found {found!r}")


def _time(day_s: int) -> int:
    return DAWN_MS + day_s * 1000


def _name(number: int) -> str:
    first = _FIRST[number % len(_FIRST)]
    return first if number < len(_FIRST) else f"{first}{number // len(_FIRST)}"


def _entropy(seed: str) -> Callable[[int], bytes]:
    return Random(seed).randbytes
