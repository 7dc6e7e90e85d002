"""The check of each step has no false alarm, changes nothing, and names what is wrong."""

from pathlib import Path

import msgspec
import pytest

from simulations.benchmarks.planted_bugs.bug import planted
from simulations.benchmarks.planted_bugs.registry import BUGS
from simulations.scenario.scenario import Scenario, load, override
from simulations.world import town as town_module
from simulations.world.run import run_world
from simulations.world.seed_sweep import run_seed
from simulations.world.step_check import StepCheck


def small(name: str = "everything") -> Scenario:
    return override(load(name), {"population": {"users": 6}, "talk": {"messages": 40}})


@pytest.mark.parametrize("name", ["everything", "churn", "relation"])
async def test_an_honest_world_has_no_finding_and_every_process_stays_modelled(
    name: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[StepCheck] = []

    class Recorded(StepCheck):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            checks.append(self)

    monkeypatch.setattr(town_module, "StepCheck", Recorded)
    result = await run_world(small(name), seed=5, path=path, progress=lambda: None, checked=True)
    [check] = checks
    assert check.model.sequence == result.events
    assert check.compared > result.events / 2
    assert None not in check.model.processes.values()


async def test_the_check_appends_nothing(tmp_path: Path) -> None:
    heads = []
    for checked in (True, False):
        path = tmp_path / f"{checked}.db"
        result = await run_world(small(), seed=2, path=path, progress=lambda: None, checked=checked)
        heads.append((result.log_head, msgspec.json.encode(result.outcome)))
    assert heads[0] == heads[1]


def test_a_missing_effect_names_the_process_that_must_send_it() -> None:
    with planted(BUGS["lost effect"]):
        failure = run_seed(load("everything"), 1).failure
    assert failure is not None
    assert failure.text.startswith("the log lacks an effect")
    assert failure.process
    assert any("replay" in command for command in failure.commands(Path("world.db")))
