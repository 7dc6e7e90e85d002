"""``mostao simulate --shrink``: searches for the smallest world that fails like a given one."""

import shlex
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from simulations.scenario.scenario import Scenario, load
from simulations.world.shrink import Budget, Shrinker, SmallWorld, in_child_processes, world_of


def run_shrink(
    scenario: Scenario,
    name: str,
    seed: int,
    *,
    jobs: int,
    worlds_max: int,
    seconds_max: float,
    as_json: bool,
) -> bool:
    """Shrink a failing world, and print the command of the smallest one. Returns whether the given world fails.

    Args:
        scenario: the scenario of the world.
        name: names the scenario on the command line.
        seed: of the world.
        jobs: number of worlds that run at the same time.
        worlds_max: number of worlds to run at most.
        seconds_max: seconds after which no other world starts.
        as_json: print one JSON object instead of the report.
    """
    budget = Budget(worlds=worlds_max, seconds=seconds_max)
    with in_child_processes(jobs, world_s_max=seconds_max) as run:
        budget.used += 1
        [first] = run(scenario, [seed])
        if first.failure is None:
            found: dict[str, Any] = {"seed": seed, "finding": None}
            text = f"seed {seed} has no finding: there is nothing to shrink"
            click.echo(msgspec.json.encode(found) if as_json else text)
            return False
        click.echo(f"seed {seed}: {first.finding}", err=True)

        smallest = world_of(scenario, seed)

        def keep(world: SmallWorld) -> None:
            nonlocal smallest
            smallest = world
            click.echo(f"  {budget.used} worlds: {_description(world)}", err=True)

        try:
            Shrinker(scenario, first.failure.kind, run, budget, keep).shrink(smallest)
            [last] = run(smallest.scenario(scenario), [smallest.seed])
        except KeyboardInterrupt:
            click.echo("interrupted; the smallest world so far:", err=True)
            click.echo(shlex.join(command_of(smallest, name, load(name))))
            raise
    command = shlex.join(command_of(smallest, name, load(name)))
    if as_json:
        fields = msgspec.to_builtins(smallest) | {"faults": dict(_given(smallest))}
        found = fields | {"finding": last.finding, "worlds": budget.used, "command": command}
        click.echo(msgspec.json.encode(found))
    else:
        click.echo(f"The smallest of {budget.used} worlds has {_description(smallest)}.")
        click.echo(f"finding: {last.finding}")
        click.echo(command)
    return True


def command_of(world: SmallWorld, name: str, named: Scenario) -> list[str]:
    """The words of the command line that repeats a shrunk world.

    Args:
        world: the shrunk world.
        name: names a scenario.
        named: this scenario. The command gives every setting of a fault in which the world differs from it.
    """
    words = ["mostao", "simulate", name, "--users", str(world.users), "--messages", str(world.messages)]
    defaults = msgspec.to_builtins(named.faults)
    for fault, value in world.settings().items():
        if _text(value) != _text(defaults[fault]):
            words += ["--fault", f"{fault}={_text(value)}"]
    return [*words, "--check", "--seed", str(world.seed)]


def _given(world: SmallWorld) -> Sequence[tuple[str, Any]]:
    names = {name for name, _ in world.faults}
    return [(name, value) for name, value in world.settings().items() if name in names]


def _description(world: SmallWorld) -> str:
    faults = ", ".join(f"{name}={_text(value)}" for name, value in _given(world)) or "no faults"
    return f"{world.users} people, {world.messages} messages, {faults}, seed {world.seed}"


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
