"""What everybody is going to do on a simulated day, drawn from the seed before anything happens."""

from bisect import bisect
from itertools import accumulate
from math import cos, pi
from random import Random
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from simulations.scenario.attacks import ATTACKS
from simulations.scenario.scenario import Scenario

DAY_S = 86_400
TICK_S = 240
"""People act on whole ticks, so that many act at once."""
HOUR_S = 3600
TICKS = DAY_S // TICK_S
FIND_H, TALK_H = 2.4, 7.2
"""When people who are there from the morning begin to look for each other, and to talk."""

_WORDS = (
    *("yes", "no", "maybe", "tomorrow", "coffee", "river", "letter", "garden", "window", "music", "train", "ticket"),
    *("weather", "summer", "winter", "friend", "story", "answer", "question", "morning", "evening", "market", "bridge"),
    *("island", "harbour", "mountain", "lantern", "pepper", "olive", "violin", "paper", "stone"),
    *("你好", "café", "Grüße", "привет", "🙂", "🎉"),
)


class Act(msgspec.Struct, frozen=True, gc=False):
    """One thing that somebody does at some time (seconds into the day)."""

    at_s: int
    kind: str
    """``establish``, ``talk``, ``catch up``, ``profile``, ``contact`` or ``attack``."""
    other: int
    """Number of the person whom it concerns."""
    text: str = ""
    """The message; for an attack, its kind."""
    rotate: bool = False


class Life(NamedTuple):
    """One person's day."""

    arrives_s: int
    offline: tuple[int, int]
    """From and until, seconds into the day; what would have happened meanwhile happens afterwards."""
    acts: list[Act]


def plan_day(scenario: Scenario, seed: int) -> list[Life]:
    """Draw a day.

    Args:
        scenario: what it is made of.
        seed: the same seed draws the same day.
    """
    random = Random(seed)
    users, talk, hostile = scenario.population.users, scenario.talk, scenario.hostile
    arrivals = _arrivals(scenario, random)
    ties = _ties(scenario, random)
    acts: list[list[Act]] = [[] for _ in range(users)]

    def add(one: int, at_s: int, kind: str, other: int, text: str = "", rotate: bool = False) -> None:
        """Nobody acts, or is acted upon, before they are there."""
        at_s = max(at_s, arrivals[one] + TICK_S, arrivals[other] + TICK_S)
        acts[one].append(Act(at_s, kind, other, text, rotate))

    for one, other in ties:
        add(one, _tick(random, FIND_H, TALK_H), "establish", other)
    times = _times(scenario)
    conversation = talk.burst if talk.rhythm == "bursts" else 1
    left = talk.messages
    while left:
        two, at_s = random.sample(random.choice(ties), 2), times.draw(random)
        for number in range(min(conversation, left)):
            one, other = two if number % 2 == 0 else reversed(two)
            text = words(scenario, random)
            rotate = random.random() < 1 / scenario.keys.messages_per_rotation
            add(one, at_s + number * TICK_S, "talk", other, text, rotate)
        left -= min(conversation, left)
    kinds, weights = zip(*_kinds(scenario), strict=True)
    for number in range(max(len(kinds), round(talk.messages * hostile.share)) if hostile.share else 0):
        one, other = random.sample(range(users), 2)
        kind = kinds[number % len(kinds)] if number < len(kinds) else random.choices(kinds, weights)[0]
        add(one, _tick(random, 12, 24), "attack", other, kind)
    for one in range(users):
        for kind, each in (("profile", scenario.activity.profiles), ("contact", scenario.activity.contacts)):
            for _ in range(int(each) + (random.random() < each % 1)):
                text = " ".join(random.choices(_WORDS, k=3))
                add(one, _tick(random, FIND_H, 24), kind, random.randrange(users), text)
    return [_life(scenario, arrivals[one], acts[one], random) for one in range(users)]


def words(scenario: Scenario, random: Random) -> str:
    """What somebody says."""
    return " ".join(random.choices(_WORDS, k=random.randint(*scenario.talk.words)))


def _life(scenario: Scenario, arrives_s: int, acts: list[Act], random: Random) -> Life:
    presence, faults = scenario.presence, scenario.faults
    acts.extend(Act(_tick(random, TALK_H, 24), "catch up", 0) for _ in range(presence.catch_ups))
    if random.random() < faults.wrong_clock:
        shift = round(random.uniform(-faults.wrong_clock_h, faults.wrong_clock_h) * HOUR_S)
        acts = [replace(act, at_s=act.at_s + shift) for act in acts]
    acts.sort(key=lambda act: act.at_s)
    offline = (0, 0)
    if random.random() < presence.away:
        begins = _tick(random, TALK_H, 19)
        offline = (begins, begins + round(random.uniform(*presence.away_h) * HOUR_S))
    return Life(arrives_s, offline, acts)


def _arrivals(scenario: Scenario, random: Random) -> list[int]:
    """When each person registers: in the first hours, or in the phase of which they are a newcomer."""
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
    """Pairs of people who talk."""
    users, ties = scenario.population.users, scenario.ties
    pairs = set()
    if ties.shape == "pairs":
        pairs = {(one, (one + 1) % users) for one in range(0, users, 2)}
    elif ties.shape == "hubs":
        hubs = max(1, round(users * ties.hubs))
        for one in range(users):
            for _ in range(ties.friends):
                pairs.add((random.randrange(hubs), one))
    else:
        for one in range(users):
            for distance in range(1, ties.friends + 1):
                far = random.random() < ties.far
                pairs.add((one, random.randrange(users) if far else (one + distance) % users))
    return sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})


class _Times:
    """Ticks of the day, each with its weight."""

    def __init__(self, weights: list[float]) -> None:
        self._sums = list(accumulate(weights))

    def draw(self, random: Random) -> int:
        """A time, in seconds."""
        place = bisect(self._sums, random.random() * self._sums[-1])
        return min(place, len(self._sums) - 1) * TICK_S


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
        weights[-1] = 1.0  # phases in which nobody talks leave the last moment
    return _Times(weights)


def _kinds(scenario: Scenario) -> list[tuple[str, float]]:
    kinds = scenario.hostile.kinds or dict.fromkeys(ATTACKS, 1.0)
    return [(kind, weight) for kind, weight in kinds.items() if weight]


def _tick(random: Random, from_h: float, to_h: float) -> int:
    """A tick between two hours, in seconds."""
    return random.randint(int(from_h * HOUR_S), int(to_h * HOUR_S)) // TICK_S * TICK_S
