"""Worlds with damaged storage: the node refuses to open, or loses nothing that it acknowledged."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from actors.node import recovery
from eventstore.sqlite import log as log_module
from eventstore.sqlite.log import SqliteLog
from simulations.cli.main import main
from simulations.scenario.scenario import Scenario, load, override
from simulations.world.seed_sweep import SeedResult, run_seed


def world(seed: int, *, messages: int = 40, **faults: Any) -> SeedResult:
    return run_seed(scenario(messages=messages, **faults), seed)


def scenario(*, messages: int = 40, **faults: Any) -> Scenario:
    changes = {"population": {"users": 4}, "talk": {"messages": messages}, "faults": faults}
    return override(load("town"), changes)


@pytest.mark.parametrize("seed", range(3))
def test_torn_writes_cost_nothing_acknowledged(seed: int) -> None:
    result = world(seed, torn_write=0.5, crash_at_h=[9, 14, 20])
    assert (result.finding, result.ended_early, result.crashes) == ("", "", 3)


@pytest.mark.parametrize("fault", ["bit_rot", "lost_fsync"])
def test_a_node_refuses_damaged_storage_or_loses_nothing(fault: str) -> None:
    ends = set()
    for seed in range(6):
        result = world(seed, **{fault: 0.5}, crash_at_h=[12, 16, 20])
        assert result.finding == ""
        ends.add(result.ended_early)
    assert "refused" in ends
    if fault == "bit_rot":
        assert "lost" not in ends


def test_the_same_seed_ends_the_same_way() -> None:
    faults = {"bit_rot": 0.5, "torn_write": 0.3, "crash_at_h": [12, 16, 20]}
    one, two = [world(2, **faults) for _ in range(2)]
    assert (one.ended_early, one.state_root, one.events) == (two.ended_early, two.state_root, two.events)


def test_a_node_that_does_not_look_at_the_write_ahead_log_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "refuse_lost_events", lambda *_, **__: None)
    findings = (world(seed, bit_rot=1, crash_at_h=[12]).finding for seed in range(12))
    assert any("were acknowledged, and the log, which ends at event" in finding for finding in findings)


def test_a_node_that_trusts_its_snapshots_after_a_kill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "engine_of", trusting(recovery.engine_of))
    results = (world(seed, messages=150, bit_rot=1, crash_at_h=[22]) for seed in range(20))
    assert any(result.finding for result in results)


def trusting(engine_of: Any) -> Any:
    """An engine whose logs were always closed."""

    class Engine:
        def __init__(self, location: Any) -> None:
            self._engine = engine_of(location)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._engine, name)

        def open_log(self, *arguments: Any, **options: Any) -> SqliteLog:
            log = self._engine.open_log(*arguments, **options)
            log.was_closed = True
            return log

    return Engine


def test_a_missing_fsync_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = log_module.prepare_to_write

    def forgetful(connection: Any) -> None:
        prepare(connection)
        connection.execute("pragma synchronous = off")

    monkeypatch.setattr(log_module, "prepare_to_write", forgetful)
    assert any(world(seed, torn_write=1, crash_at_h=[12]).finding for seed in range(4))


def test_a_missing_fsync_never_counts_as_loss_without_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = log_module.prepare_to_write

    def relaxed(connection: Any) -> None:
        prepare(connection)
        connection.execute("pragma synchronous = normal")

    monkeypatch.setattr(log_module, "prepare_to_write", relaxed)
    results = [world(seed, messages=20, torn_write=1, crash_at_h=[12, 18]) for seed in range(6)]
    assert any("were acknowledged, and the log, which ends at event" in result.finding for result in results)
    assert not any(result.ended_early for result in results)


def test_the_command_reports_a_world_that_its_storage_ended(tmp_path: Path) -> None:
    options = ["simulate", "--users", "4", "--messages", "30", "--fault", "bit_rot=1", "--fault", "crash_at_h=12,18"]
    seed = next(seed for seed in range(9) if world(seed, messages=30, bit_rot=1, crash_at_h=[12, 18]).ended_early)
    log, page = tmp_path / "x.db", tmp_path / "x.html"
    run = CliRunner().invoke(main, [*options, "--seed", str(seed), "--log", str(log), "--report", str(page), "--json"])
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    assert said["ended_early"]["how"] == "refused"
    assert said["finding"] is None
    assert said["crashes"] > 0
    assert said["events"] > 0
    assert page.exists()


def test_a_sweep_counts_the_worlds_that_refused() -> None:
    options = ["simulate", "--users", "3", "--messages", "20", "--fault", "bit_rot=1", "--fault", "crash_at_h=12,18"]
    run = CliRunner().invoke(main, [*options, "--seeds", "1..4"])
    assert run.exit_code == 0, run.output
    assert "refused damaged storage, 0 failed" in run.output
