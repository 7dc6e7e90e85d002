"""A failing world shrinks to the smallest one that still fails."""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from click.testing import CliRunner

from actors.processes import SessionV3
from simulations.cli.main import main
from simulations.scenario.scenario import Scenario, load, override
from simulations.world.failure import Failure
from simulations.world.seed_sweep import SeedResult, run_seed
from simulations.world.shrink import Budget, Shrinker, SmallWorld, in_child_processes, world_of

FAULTS = {
    "drop": 0.2,
    "duplicate": 0.1,
    "delay": 0.3,
    "reorder": 0.1,
    "crash_at_message": [50, 80, 200],
    "delay_s": 9.0,
}


def scenario() -> Scenario:
    return override(load("town"), {"population": {"users": 40}, "talk": {"messages": 500}, "faults": FAULTS})


def shrunk(
    fails: Callable[[Scenario, int], str], *, worlds: int = 2000, kind: str = "lost"
) -> tuple[SmallWorld, Budget]:
    def run(candidate: Scenario, seeds: Sequence[int]) -> list[SeedResult]:
        kinds = [fails(candidate, seed) for seed in seeds]
        failures = [Failure(kind, kind) if kind else None for kind in kinds]
        return [SeedResult(seed, failure=failure) for seed, failure in zip(seeds, failures, strict=True)]

    budget = Budget(worlds=worlds, seconds=60)
    base = scenario()
    return Shrinker(base, kind, run, budget, lambda _: None).shrink(world_of(base, 7)), budget


def test_the_smallest_population_message_count_and_fault_set_are_found() -> None:
    def fails(world: Scenario, _: int) -> str:
        needs = 80 in world.faults.crash_at_message and world.faults.duplicate > 0
        return "lost" if needs and world.population.users >= 5 and world.talk.messages >= 33 else ""

    smallest, _ = shrunk(fails)
    assert (smallest.users, smallest.messages, smallest.seed) == (5, 33, 7)
    assert {name for name, _ in smallest.faults} == {"duplicate", "crash_at_message"}
    assert len(smallest.faults) == 2
    assert dict(smallest.faults)["duplicate"] < 0.01


def test_a_world_that_fails_by_itself_keeps_nothing() -> None:
    smallest, _ = shrunk(lambda *_: "lost")
    assert (smallest.users, smallest.messages, smallest.faults) == (2, 0, ())


def test_another_failure_is_not_mistaken_for_the_same() -> None:
    smallest, _ = shrunk(lambda world, _: "lost" if world.population.users >= 10 else "another")
    assert smallest.users == 10


def test_a_seed_nearby_may_fail_in_the_place_of_the_first() -> None:
    smallest, _ = shrunk(lambda world, seed: "lost" if world.population.users == 40 or seed == 9 else "")
    assert (smallest.users, smallest.seed) == (2, 9)


def test_the_search_ends_with_its_budget() -> None:
    smallest, budget = shrunk(lambda *_: "lost", worlds=3)
    assert budget.used <= 3 + 4
    assert smallest.users <= 40


@pytest.mark.parametrize("name", ["town", "churn"])
def test_the_command_shrinks_a_planted_bug_and_prints_the_world_that_fails(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = SessionV3.handlers["SendMessage"]

    def forgetful(self: SessionV3, body: Any, context: Any) -> Any:
        before = self.state
        effects = kept.method(self, body, context)
        if context.slot % 3 == 0:
            self.state = before
        return effects

    @contextmanager
    def here(*_: Any, **__: Any) -> Iterator[Any]:  # the bug is planted in this process only
        yield lambda world, seeds: [run_seed(world, seed) for seed in seeds[:1]]

    monkeypatch.setitem(SessionV3.handlers, "SendMessage", kept._replace(method=forgetful))
    monkeypatch.setattr("simulations.cli.shrink.in_child_processes", here)
    options = ["simulate", name, "--users", "4", "--messages", "12", "--fault", "duplicate=0.2", "--seed", "1"]
    run = CliRunner().invoke(main, [*options, "--shrink", "--shrink-worlds", "80", "--json"])
    assert run.exit_code == 1, run.output
    found = json.loads(run.stdout)
    assert found["users"] == 2
    assert found["messages"] < 12
    assert found["faults"] == {}
    again = CliRunner().invoke(main, [*shlex.split(found["command"])[1:], "--log", "/dev/null/x", "--json"])
    assert again.exit_code == 2  # a log cannot be there
    with CliRunner().isolated_filesystem():
        again = CliRunner().invoke(main, [*shlex.split(found["command"])[1:], "--json"])
    assert again.exit_code == 1
    assert json.loads(again.stdout)["finding"]["text"] == found["finding"]


def test_an_interrupted_search_prints_the_smallest_command_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count()

    @contextmanager
    def fails_twice(*_: Any, **__: Any) -> Iterator[Any]:
        def run(_: Scenario, seeds: Sequence[int]) -> list[SeedResult]:
            if next(calls) == 2:
                raise KeyboardInterrupt
            return [SeedResult(seed, failure=Failure("lost", "lost")) for seed in seeds]

        yield run

    monkeypatch.setattr("simulations.cli.shrink.in_child_processes", fails_twice)
    run = CliRunner().invoke(main, ["simulate", "--users", "9", "--fault", "drop=0.2", "--shrink"])
    assert run.exit_code == 130
    assert run.stdout == "mostao simulate town --users 9 --messages 2000 --check --seed 1\n"


def test_child_processes_run_the_worlds() -> None:
    small = override(load("two-friends"), {"talk": {"messages": 4}})
    with in_child_processes(2, world_s_max=60) as run:
        assert [(result.seed, result.finding) for result in run(small, [3, 4])] == [(3, ""), (4, "")]


def test_a_world_that_passes_is_not_shrunk() -> None:
    run = CliRunner().invoke(main, ["simulate", "two-friends", "--messages", "4", "--shrink"])
    assert run.exit_code == 0
    assert "nothing to shrink" in run.stdout


@pytest.mark.parametrize(
    "options", [["--shrink", "--seeds", "1..2"], ["--shrink-worlds", "5"], ["--shrink", "--log", "x"]]
)
def test_misuse_of_shrinking_is_refused(options: list[str]) -> None:
    assert CliRunner().invoke(main, ["simulate", *options]).exit_code == 2
