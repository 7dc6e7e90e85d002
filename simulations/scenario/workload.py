"""The workload of a simulated day: all actions of all people, drawn from the seed before the day starts."""

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import cos, pi
from random import Random
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from simulations.faults.fault import PersonFault
from simulations.scenario.attacks import ATTACKS
from simulations.scenario.scenario import Scenario

DAY_S = 86_400
TICK_S = 240
"""Actions start on whole ticks, so that many people act at the same time."""
HOUR_S = 3600
TICKS = DAY_S // TICK_S
FIND_H, TALK_H = 2.4, 7.2
"""Hours at which people start to establish sessions, and to talk."""
DELEGATION_H = 2
"""Hours for which a delegate is appointed."""
STAND_IN_H = (1, 3)
"""Hours after the appointment at which a delegate tries to relay: once in time, and once too late."""

_WORDS = (
    *("yes", "no", "maybe", "tomorrow", "coffee", "river", "letter", "garden", "window", "music", "train", "ticket"),
    *("weather", "summer", "winter", "friend", "story", "answer", "question", "morning", "evening", "market", "bridge"),
    *("island", "harbour", "mountain", "lantern", "pepper", "olive", "violin", "paper", "stone"),
    *("你好", "café", "Grüße", "привет", "🙂", "🎉"),
)


class Act(msgspec.Struct, frozen=True, gc=False):
    """One action of one person."""

    at_s: int
    """Seconds into the day."""
    kind: str
    """``establish``, ``talk``, ``catch up``, ``profile``, ``contact``, ``look back``, ``delegate``, ``stand in``,
    ``mistake`` or ``attack``."""
    other: int
    """Number of the person to whom the action is directed."""
    text: str = ""
    """The text of the message, profile or contact; for an attack, its kind."""
    rotate: bool = False
    """Whether to rotate the session key before the message."""


class Life(NamedTuple):
    """The plan of one person's day."""

    arrives_s: int
    offline: tuple[int, int]
    """Start and end, in seconds into the day. Actions of this time take place after it."""
    acts: list[Act]


def plan_day(scenario: Scenario, seed: int) -> list[Life]:
    """Draw the plans of all people.

    Args:
        scenario: the numbers and probabilities.
        seed: the same seed gives the same plans.
    """
    random = Random(seed)
    users, talk, hostile = scenario.population.users, scenario.talk, scenario.hostile
    arrivals = _arrivals(scenario, random)
    ties = _ties(scenario, random)
    acts: list[list[Act]] = [[] for _ in range(users)]

    def add(person: int, at_s: int, kind: str, other: int, text: str = "", rotate: bool = False) -> None:
        """Add an action, at the earliest one tick after both people have registered."""
        at_s = max(at_s, arrivals[person] + TICK_S, arrivals[other] + TICK_S)
        acts[person].append(Act(at_s, kind, other, text, rotate))

    for person, other in ties:
        add(person, _tick(random, FIND_H, TALK_H), "establish", other)
    times = _times(scenario)
    burst = talk.burst if talk.rhythm == "bursts" else 1
    left = talk.messages
    while left:
        pair, at_s = random.sample(random.choice(ties), 2), times.draw(random)
        for number in range(min(burst, left)):
            person, other = pair if number % 2 == 0 else reversed(pair)
            text = words(scenario, random)
            rotate = random.random() < 1 / scenario.keys.messages_per_rotation
            add(person, at_s + number * TICK_S, "talk", other, text, rotate)
        left -= min(burst, left)
    kinds, weights = zip(*_kinds(scenario), strict=True)
    for number in range(max(len(kinds), round(talk.messages * hostile.share)) if hostile.share else 0):
        person, other = random.sample(range(users), 2)
        kind = kinds[number % len(kinds)] if number < len(kinds) else random.choices(kinds, weights)[0]
        add(person, _tick(random, 12, 24), "attack", other, kind)
    for person in range(users):
        for kind, rate in (("profile", scenario.activity.profiles), ("contact", scenario.activity.contacts)):
            for _ in range(int(rate) + (random.random() < rate % 1)):
                text = " ".join(random.choices(_WORDS, k=3))
                add(person, _tick(random, FIND_H, 24), kind, random.randrange(users), text)
    _add_errands(scenario, add, random)
    person_faults = scenario.faults.of_kind(PersonFault)
    return [_life(scenario, person_faults, arrivals[person], acts[person], random) for person in range(users)]


def _add_errands(scenario: Scenario, add: Callable[[int, int, str, int], None], random: Random) -> None:
    """Add the actions that only some scenarios have. Without them nothing is drawn, so other scenarios stay as is."""
    users, activity = scenario.population.users, scenario.activity
    for kind, rate in (
        ("look back", activity.look_backs),
        ("mistake", activity.mistakes),
        ("delegate", activity.delegates),
    ):
        for person in range(users if rate else 0):
            for _ in range(int(rate) + (random.random() < rate % 1)):
                at_s, other = _tick(random, 9, 24 - STAND_IN_H[-1]), random.randrange(users)
                add(person, at_s, kind, other)
                for hours in STAND_IN_H if kind == "delegate" and other != person else ():
                    add(other, at_s + round(hours * HOUR_S), "stand in", person)


def words(scenario: Scenario, random: Random) -> str:
    """Draw the text of a message."""
    return " ".join(random.choices(_WORDS, k=random.randint(*scenario.talk.words)))


def _life(scenario: Scenario, faults: Sequence[PersonFault], arrives_s: int, acts: list[Act], random: Random) -> Life:
    presence = scenario.presence
    acts.extend(Act(_tick(random, TALK_H, 24), "catch up", 0) for _ in range(presence.catch_ups))
    if shift_s := sum(fault.clock_shift_s(random) for fault in faults):
        acts = [replace(act, at_s=act.at_s + shift_s) for act in acts]
    acts.sort(key=lambda act: act.at_s)
    offline = (0, 0)
    if random.random() < presence.away:
        start = _tick(random, TALK_H, 19)
        offline = (start, start + round(random.uniform(*presence.away_h) * HOUR_S))
    return Life(arrives_s, offline, acts)


def _arrivals(scenario: Scenario, random: Random) -> list[int]:
    """When each person registers: in the first hours, or for a newcomer in its phase."""
    users = scenario.population.users
    arrivals = [_tick(random, 0, scenario.population.arrive_until_h) for _ in range(users)]
    others = list(range(users))
    random.shuffle(others)
    for phase in scenario.phases:
        for _ in range(round(phase.newcomers * users)):
            if others:
                arrivals[others.pop()] = _tick(random, phase.from_h, phase.to_h)
    return arrivals


def _ties(scenario: Scenario, random: Random) -> list[tuple[int, int]]:
    """The pairs of people who talk."""
    users, ties = scenario.population.users, scenario.ties
    pairs = set()
    if ties.shape == "pairs":
        pairs = {(person, (person + 1) % users) for person in range(0, users, 2)}
    elif ties.shape == "hubs":
        hubs = max(1, round(users * ties.hubs))
        for person in range(users):
            for _ in range(ties.friends):
                pairs.add((random.randrange(hubs), person))
    else:
        for person in range(users):
            for distance in range(1, ties.friends + 1):
                far = random.random() < ties.far
                pairs.add((person, random.randrange(users) if far else (person + distance) % users))
    others = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    return sorted(others) or [(0, 1)]  # in a small town, the draw may tie people to nobody but themselves


class _Times:
    """A weighted distribution over the ticks of the day."""

    def __init__(self, weights: list[float]) -> None:
        self._sums = list(accumulate(weights))

    def draw(self, random: Random) -> int:
        """Draw a time in seconds into the day."""
        tick = bisect(self._sums, random.random() * self._sums[-1])
        return min(tick, len(self._sums) - 1) * TICK_S


def _times(scenario: Scenario) -> _Times:
    weights = []
    for tick in range(TICKS):
        hour = tick * TICK_S / HOUR_S
        weight = 0.0 if hour < TALK_H else 1.0
        if scenario.talk.rhythm == "day":
            weight *= 1.05 - cos((hour - 2) / 24 * 2 * pi)
        for phase in scenario.phases:
            if phase.from_h <= hour < phase.to_h:
                weight *= phase.talk
        weights.append(weight)
    if not any(weights):
        weights[-1] = 1.0  # if the phases leave no time to talk, all messages come at the end of the day
    return _Times(weights)


def _kinds(scenario: Scenario) -> list[tuple[str, float]]:
    kinds = scenario.hostile.kinds or dict.fromkeys(ATTACKS, 1.0)
    return [(kind, weight) for kind, weight in kinds.items() if weight]


def _tick(random: Random, from_h: float, to_h: float) -> int:
    """Draw a tick between two hours, in seconds into the day."""
    return random.randint(int(from_h * HOUR_S), int(to_h * HOUR_S)) // TICK_S * TICK_S
