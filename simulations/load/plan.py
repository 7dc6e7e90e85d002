"""The plan of a load test: how many people and sessions, and how much load for how long."""

import re

import msgspec

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION_S_MAX = 24 * 3600.0
RATE_MAX = 1_000_000.0


class Stage(msgspec.Struct, frozen=True):
    """One stage of an open model's run."""

    seconds: float
    rate: float
    """Sends per second at the end of the stage; the rate changes linearly from the previous stage's."""


class Plan(msgspec.Struct, frozen=True):
    """One run. With ``stages`` its model is open: sends do not wait for replies. Without, it is closed."""

    sessions: int
    users: int
    content_bytes: int
    seconds: float
    """Length of the measurement."""
    warmup_s: float
    """Length of the load before the measurement."""
    in_flight: int
    stages: tuple[Stage, ...]
    generators: int
    """Number of processes that send."""
    seed: int

    @property
    def is_open(self) -> bool:
        """Whether sends leave at their due times, regardless of replies."""
        return bool(self.stages)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``500ms``, ``10s``, ``1.5m``.

    Raises:
        ValueError: the text is not a duration, or not above 0 and at most a day.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and ms, s, m or h, as in 30s")
    seconds = float(match[1]) * _UNIT_S[match[2]]
    if not 0 < seconds <= DURATION_S_MAX:
        raise ValueError(f"{text!r} must be above 0 and at most a day")
    return seconds


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Parse stages such as ``10s:1000,30s:5000``: 10 s at 1,000 sends per second, then in 30 s up to 5,000.

    Raises:
        ValueError: the text has another format.
    """
    stages = []
    for part in text.split(","):
        duration, colon, rate = part.partition(":")
        if not colon:
            raise ValueError(f"{part!r} is not a stage: write a duration and a rate, as in 10s:1000")
        stages.append(Stage(parse_duration(duration), parse_rate(rate)))
    return tuple(stages)


def parse_rate(text: str) -> float:
    """Parse a rate in sends per second.

    Raises:
        ValueError: the text is not a number, or out of range.
    """
    try:
        rate = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a rate: write a number of sends per second") from None
    if not 0 <= rate <= RATE_MAX:
        raise ValueError(f"the rate {text.strip()} is not between 0 and {RATE_MAX:,.0f} sends per second")
    return rate
