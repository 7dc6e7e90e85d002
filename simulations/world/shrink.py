"""Shrinks a failing world: the smallest population, number of messages and set of faults that still fail.

Faults are removed by delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002), numbers are reduced by bisection. Both are repeated until nothing more can be removed.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from simulations.faults.registry import Faults
from simulations.scenario.scenario import Scenario, ScenarioUnusable, override
from simulations.world.seed_sweep import SeedResult
from simulations.world.world_processes import world_processes

SEEDS_NEAR = 4
"""Seeds that are tried for each smaller world, because another population makes another day of the same seed."""
_HALVINGS_MAX = 6
USERS_MIN = 2

RunWorlds = Callable[[Scenario, Sequence[int]], list[SeedResult]]
"""Runs a scenario with some seeds. Returns the results in the order of the seeds."""
Fault = tuple[str, Any]
"""The name of a setting, and its value; of a list, one of its values."""


class SmallWorld(msgspec.Struct, frozen=True):
    """The part of a world that is shrunk."""

    users: int
    messages: int
    faults: tuple[Fault, ...]
    seed: int

    def scenario(self, base: Scenario) -> Scenario:
        """The scenario of this world. What is not shrunk comes from the base."""
        population, talk = {"users": self.users}, {"messages": self.messages}
        return override(base, {"population": population, "talk": talk, "faults": self.settings()})

    def settings(self) -> dict[str, Any]:
        """The value of every setting of a fault."""
        settings: dict[str, Any] = msgspec.to_builtins(Faults())
        for name, value in self.faults:
            settings[name] = [*settings[name], value] if isinstance(settings[name], (list, tuple)) else value
        return settings


class Budget:
    """How long a search may take.

    Args:
        worlds: number of worlds to run.
        seconds: real time after which no other world starts.
    """

    def __init__(self, *, worlds: int, seconds: float) -> None:
        self.used = 0
        self._worlds, self._end = worlds, time.monotonic() + seconds

    @property
    def is_spent(self) -> bool:
        """Whether no other world may start."""
        return self.used >= self._worlds or time.monotonic() >= self._end


def world_of(scenario: Scenario, seed: int) -> SmallWorld:
    """The part of a scenario that can be shrunk."""
    settings, defaults = msgspec.to_builtins(scenario.faults), msgspec.to_builtins(Faults())
    faults: list[Fault] = []
    for name, value in settings.items():
        if isinstance(value, (list, tuple)):
            faults += [(name, element) for element in value]
        elif value != defaults[name]:
            faults.append((name, value))
    return SmallWorld(scenario.population.users, scenario.talk.messages, tuple(faults), seed)


class Shrinker:
    """Searches for the smallest world that fails in the same way.

    Args:
        base: the scenario of the failing world.
        kind: the kind of its failure. A smaller world must fail with the same kind.
        run: runs worlds.
        budget: limits the search.
        on_smaller: called with each smaller world that fails.
    """

    def __init__(
        self,
        base: Scenario,
        kind: str,
        run: RunWorlds,
        budget: Budget,
        on_smaller: Callable[[SmallWorld], object],
    ) -> None:
        self._base, self._kind, self._run, self._budget, self._on_smaller = base, kind, run, budget, on_smaller
        self._tried: set[SmallWorld] = set()
        self._smallest: SmallWorld

    def shrink(self, world: SmallWorld) -> SmallWorld:
        """The smallest world that was found within the budget."""
        self._smallest = world
        before = None
        while before != self._smallest and not self._budget.is_spent:
            before = self._smallest
            self._remove_faults()
            self._reduce("messages", 0)
            self._reduce("users", USERS_MIN)
            self._reduce_values()
        return self._smallest

    def _remove_faults(self) -> None:
        """Delta debugging: remove ever smaller parts of the faults as long as the world fails without them."""
        parts = 2
        while faults := self._smallest.faults:
            parts = min(parts, len(faults))
            for part in range(parts):
                start, stop = len(faults) * part // parts, len(faults) * (part + 1) // parts
                if self._fails(faults=faults[:start] + faults[stop:]):
                    parts = max(parts - 1, 2)
                    break
            else:
                if parts == len(faults):
                    return
                parts = min(parts * 2, len(faults))

    def _reduce(self, field: str, least: int) -> None:
        """Bisect a number between a bound and the smallest one that fails."""
        if getattr(self._smallest, field) > least and self._fails(**{field: least}):
            return
        passes = least
        while getattr(self._smallest, field) - passes > 1 and not self._budget.is_spent:
            middle = (passes + getattr(self._smallest, field)) // 2
            if not self._fails(**{field: middle}):
                passes = middle

    def _reduce_values(self) -> None:
        """Halve the value of each fault as long as the world fails."""
        for index in range(len(self._smallest.faults)):
            for _ in range(_HALVINGS_MAX):
                faults = list(self._smallest.faults)
                name, value = faults[index]
                half = value // 2 if isinstance(value, int) else float(f"{value / 2:.2g}")
                faults[index] = (name, half)
                if not half or not self._fails(faults=tuple(faults)):
                    break

    def _fails(self, **changes: Any) -> bool:
        """Whether a smaller world fails in the same way, with its seed or one near it; it is then the smallest one."""
        candidate = msgspec.structs.replace(self._smallest, **changes)
        if candidate in self._tried or self._budget.is_spent:
            return False
        self._tried.add(candidate)
        try:
            scenario = candidate.scenario(self._base)
        except ScenarioUnusable:
            return False
        seeds = range(candidate.seed, candidate.seed + SEEDS_NEAR)
        self._budget.used += len(seeds)
        for result in self._run(scenario, seeds):
            if result.failure is not None and result.failure.kind == self._kind:
                self._smallest = msgspec.structs.replace(candidate, seed=result.seed)
                self._on_smaller(self._smallest)
                return True
        return False


@contextmanager
def in_child_processes(jobs: int, *, world_s_max: float) -> Iterator[RunWorlds]:
    """Runs worlds in child processes.

    Args:
        jobs: number of worlds that run at the same time.
        world_s_max: seconds after which a world that has not ended counts as one that does not fail.
    """
    with world_processes(jobs) as processes:

        def run(scenario: Scenario, seeds: Sequence[int]) -> list[SeedResult]:
            running = processes.submit(scenario, seeds)
            results: list[SeedResult] = []
            for future, seed in zip(running, seeds, strict=True):
                try:
                    results.append(future.result(world_s_max))
                except TimeoutError:
                    results.append(SeedResult(seed))
                    processes.end()
            return results

        yield run
