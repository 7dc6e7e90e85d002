"""When the sends of an open model are due."""

from collections.abc import Iterator, Sequence
from math import sqrt
from random import Random

from simulations.load.plan import Stage


def arrivals(stages: Sequence[Stage], *, share: float, random: Random) -> Iterator[float]:
    """Seconds since the begin at which a send is due: a Poisson process, whose rate follows the stages.

    Args:
        stages: the rates.
        share: how much of them is this generator's.
        random: draws the gaps.
    """
    # Unit gaps of a Poisson process, drawn on the scale of expected sends and carried back to time
    due = random.expovariate(1)
    expected, start = 0.0, 0.0
    rate = stages[0].rate * share  # the first one's own: a run begins where its warm-up ended
    for stage in stages:
        end_rate = stage.rate * share
        whole = stage.seconds * (rate + end_rate) / 2
        slope = (end_rate - rate) / stage.seconds
        while due <= expected + whole:
            yield start + _elapsed(due - expected, rate, slope)
            due += random.expovariate(1)
        expected, start, rate = expected + whole, start + stage.seconds, end_rate


def _elapsed(sends: float, rate: float, slope: float) -> float:
    """The time after which so many sends are expected, at a rate that grows in a straight line."""
    if abs(slope) < 1e-12:
        return sends / rate
    return (sqrt(max(rate * rate + 2 * slope * sends, 0.0)) - rate) / slope
