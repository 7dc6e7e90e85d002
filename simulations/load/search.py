"""The highest rate that keeps the thresholds."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulations.load.metrics import judged, quick_figures
from simulations.load.plan import Plan, Stage
from simulations.load.run import Bench, Run
from simulations.load.thresholds import Threshold

CLOSE_ENOUGH = 0.05
"""Part of the highest possible rate within which the answer lies."""


class Trial(msgspec.Struct):
    """One rate that was tried."""

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
    """Halve the rates between none and what a closed model comes to, until the highest that keeps them is known.

    Args:
        bench: the node, with its people.
        plan: a closed one; each trial is as long as it.
        thresholds: what has to be kept.
        watch: called every second of every run.
        tried: called after each trial.

    Returns:
        Every trial. The answer is the highest rate among those that kept the thresholds.
    """
    closed = await bench.run(plan, watch)
    highest = quick_figures(closed)["sends_per_s"]
    trials: list[Trial] = []
    low, high = 0.0, highest
    rate = highest
    while high - low > highest * CLOSE_ENOUGH and not closed.interrupted:
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
    """Whether what was due was sent and answered; else the rate was none."""
    return quick_figures(run)["sends_per_s"] >= rate * (1 - CLOSE_ENOUGH)
