"""Due times of the sends in an open model."""

from collections.abc import Iterator, Sequence
from math import sqrt
from random import Random

from simulations.load.plan import Stage


def arrivals(stages: Sequence[Stage], *, share: float, random: Random) -> Iterator[float]:
    """Due time of each send, in seconds from the start: a Poisson process whose rate follows the stages.

    Args:
        stages: the rates.
        share: fraction of the rates that this generator sends.
        random: draws the gaps.
    """
    # Draws unit gaps of a Poisson process on the scale of expected sends, and maps them back to time.
    due = random.expovariate(1)
    expected, start = 0.0, 0.0
    rate = stages[0].rate * share  # a run starts at the first stage's rate, because its warm-up has that rate
    for stage in stages:
        end_rate = stage.rate * share
        total = stage.seconds * (rate + end_rate) / 2
        slope = (end_rate - rate) / stage.seconds
        while due <= expected + total:
            yield start + _elapsed(due - expected, rate, slope)
            due += random.expovariate(1)
        expected, start, rate = expected + total, start + stage.seconds, end_rate


def _elapsed(sends: float, rate: float, slope: float) -> float:
    """The time in seconds until this many sends are expected, at a rate that grows linearly with ``slope``."""
    if abs(slope) < 1e-12:
        return sends / rate
    return (sqrt(max(rate * rate + 2 * slope * sends, 0.0)) - rate) / slope
