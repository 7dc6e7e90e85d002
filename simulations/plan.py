"""What everybody in a town is going to do, drawn from the seed before anything happens."""

from random import Random
from typing import NamedTuple

DAY_S = 1800
"""Length of the simulated day. People act on whole ticks, so that many act at once."""
TICK_S = 2
ALL_THERE, FIRST_ACT = 0.08, 0.1
"""Part of the day by which everybody has registered, and from which on people look for each other."""
FRIENDS_EACH = 3
MESSAGES_PER_ROTATION = 25
"""Messages that a person sends under one key on average before rotating it."""
HOSTILE_SHARE = 0.05
"""Hostile attempts per message."""
OFFLINE_SHARE = 0.3
"""People who are away for a part of the day."""

_WORDS = (
    *("yes", "no", "maybe", "tomorrow", "coffee", "river", "letter", "garden", "window", "music", "train", "ticket"),
    *("weather", "summer", "winter", "friend", "story", "answer", "question", "morning", "evening", "market", "bridge"),
    *("island", "harbour", "mountain", "lantern", "pepper", "olive", "violin", "paper", "stone"),
    *("你好", "café", "Grüße", "привет", "🙂", "🎉"),
)


class Act(NamedTuple):
    """One thing that somebody does at some time (seconds into the day)."""

    at_s: int
    kind: str
    """``establish``, ``talk``, ``catch up`` or ``attack``."""
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


def plan_town(*, users: int, messages: int, seed: int, attacks: tuple[str, ...]) -> list[Life]:
    """Draw a town's day.

    Args:
        users: number of people.
        messages: number of messages that they send one another in all.
        seed: the same seed draws the same day.
        attacks: kinds of hostile attempts, tried in turn.
    """
    random = Random(seed)
    friendships = _friendships(users, random)
    acts: list[list[Act]] = [[] for _ in range(users)]
    for one, other in friendships:
        acts[one].append(Act(_tick(random, FIRST_ACT, 0.3), "establish", other))
    for _ in range(messages):
        one, other = random.sample(random.choice(friendships), 2)
        text = " ".join(random.choices(_WORDS, k=random.randint(1, 24)))
        rotate = random.random() < 1 / MESSAGES_PER_ROTATION
        acts[one].append(Act(_tick(random, 0.3, 1.0), "talk", other, text, rotate))
    for number in range(max(len(attacks), round(messages * HOSTILE_SHARE))):
        one, other = random.sample(range(users), 2)
        acts[one].append(Act(_tick(random, 0.5, 1.0), "attack", other, attacks[number % len(attacks)]))
    return [_life(acts[one], random) for one in range(users)]


def _life(acts: list[Act], random: Random) -> Life:
    acts.extend(Act(_tick(random, 0.3, 1.0), "catch up", 0) for _ in range(4))
    acts.sort(key=lambda act: act.at_s)
    offline = (0, 0)
    if random.random() < OFFLINE_SHARE:
        begins = _tick(random, 0.3, 0.8)
        offline = (begins, begins + random.randint(DAY_S // 20, DAY_S // 5))
    return Life(_tick(random, 0.0, ALL_THERE), offline, acts)


def _friendships(users: int, random: Random) -> list[tuple[int, int]]:
    """Pairs of a small world: everybody knows the next few, and a fifth of the ties lead anywhere."""
    pairs = set()
    for one in range(users):
        for distance in range(1, FRIENDS_EACH + 1):
            other = random.randrange(users) if random.random() < 0.2 else (one + distance) % users
            if other != one:
                pairs.add((min(one, other), max(one, other)))
    return sorted(pairs)


def _tick(random: Random, earliest: float, latest: float) -> int:
    """A tick between two parts of the day."""
    return random.randint(int(DAY_S * earliest), int(DAY_S * latest)) // TICK_S * TICK_S
