"""Searches for a planted bug with the worlds of a sweep."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from simulations.benchmarks.planted_bugs.bug import planted
from simulations.benchmarks.planted_bugs.registry import BUGS, SCENARIO
from simulations.scenario.scenario import load, override
from simulations.world.seed_sweep import run_seed


class Search(NamedTuple):
    """The result of a search for a bug."""

    bug: str
    seeds: int
    """Number of worlds until the finding; without a finding, of all worlds."""
    finding: str
    """The finding; empty if there is none."""
    elapsed_s: float


def search(bug: str, seeds: Sequence[int]) -> Search:
    """Plant a bug and run worlds, one per seed, until one has a finding."""
    started = time.perf_counter()
    scenario = override(load(SCENARIO), {"faults": dict(BUGS[bug].faults)})
    for number, seed in enumerate(seeds, start=1):
        with planted(BUGS[bug]):
            found = run_seed(scenario, seed)
        if found.finding:
            return Search(bug, number, f"seed {seed}: {found.finding}", time.perf_counter() - started)
    return Search(bug, len(seeds), "", time.perf_counter() - started)
