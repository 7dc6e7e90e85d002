"""Finds the highest rate that meets the thresholds."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulations.load.metrics import judged, threshold_metrics
from simulations.load.plan import Plan, Stage
from simulations.load.run import Bench, Run
from simulations.load.thresholds import Threshold

TOLERANCE = 0.05
"""Precision of the search, as a fraction of the highest possible rate."""


class Trial(msgspec.Struct):
    """One run at one rate."""

    rate: float
    kept: bool
    p99_ms: float | None
    run: Run


async def find_max(
    bench: Bench,
    plan: Plan,
    thresholds: Sequence[Threshold],
    watch: Callable[[Run], Any],
    tried: Callable[[Trial], Any],
) -> list[Trial]:
    """Bisect between zero and the rate of a closed model, until the highest rate that meets the thresholds is known.

    Args:
        bench: the node, with its people.
        plan: a closed model; each trial takes as long.
        thresholds: the conditions to meet.
        watch: called every second of every run.
        tried: called after each trial.

    Returns:
        Every trial. The highest rate among those with ``kept`` is the result.
    """
    closed = await bench.run(plan, watch)
    highest = threshold_metrics(closed)["sends_per_s"]
    trials: list[Trial] = []
    low, high = 0.0, highest
    rate = highest
    while high - low > highest * TOLERANCE and not closed.interrupted:
        run = await bench.run(msgspec.structs.replace(plan, stages=(Stage(plan.seconds, rate),)), watch)
        kept = all(judged(run, thresholds).values()) and _reached(run, rate)
        trials.append(Trial(round(rate, 1), kept, run.summary.latencies().get("p99"), run))
        tried(trials[-1])
        if run.interrupted:
            break
        low, high = (rate, high) if kept else (low, rate)
        rate = (low + high) / 2
    return trials


def _reached(run: Run, rate: float) -> bool:
    """Whether the node acknowledged sends at this rate, within the tolerance."""
    return threshold_metrics(run)["sends_per_s"] >= rate * (1 - TOLERANCE)
