"""What a load test is asked for."""

import re

import msgspec

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION_S_MAX = 24 * 3600.0
RATE_MAX = 1_000_000.0


class Stage(msgspec.Struct, frozen=True):
    """A part of an open model's run."""

    seconds: float
    rate: float
    """Sends per second at its end, which it comes to in a straight line."""


class Plan(msgspec.Struct, frozen=True):
    """One run. With ``stages`` its model is open: sends do not wait for one another. Without, it is closed."""

    sessions: int
    users: int
    content_bytes: int
    seconds: float
    """How long is measured."""
    warmup_s: float
    """How long load is made before."""
    in_flight: int
    stages: tuple[Stage, ...]
    generators: int
    """Processes that make the load."""
    seed: int

    @property
    def is_open(self) -> bool:
        """Whether sends come when they are due, answered or not."""
        return bool(self.stages)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``500ms``, ``10s``, ``1.5m``.

    Raises:
        ValueError: it is none, or not between nothing and a day.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number and ms, s, m or h, as in 30s")
    seconds = float(match[1]) * _UNIT_S[match[2]]
    if not 0 < seconds <= DURATION_S_MAX:
        raise ValueError(f"{text!r} has to be more than nothing, and at most a day")
    return seconds


def parse_stages(text: str) -> tuple[Stage, ...]:
    """The stages of ``10s:1000,30s:5000``: in 10 s up to 1,000 sends a second, in 30 s more up to 5,000.

    Raises:
        ValueError: they are none.
    """
    stages = []
    for part in text.split(","):
        duration, colon, rate = part.partition(":")
        if not colon:
            raise ValueError(f"{part!r} is no stage: write a duration and a rate, as in 10s:1000")
        stages.append(Stage(parse_duration(duration), parse_rate(rate)))
    return tuple(stages)


def parse_rate(text: str) -> float:
    """Sends per second.

    Raises:
        ValueError: it is no rate.
    """
    try:
        rate = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no rate: write a number of sends per second") from None
    if not 0 <= rate <= RATE_MAX:
        raise ValueError(f"a rate of {text.strip()} is not between 0 and {RATE_MAX:,.0f} sends per second")
    return rate
