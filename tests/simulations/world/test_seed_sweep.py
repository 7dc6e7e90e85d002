"""A sweep runs many worlds, and names what is wrong in one that fails."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from click.testing import CliRunner

from actors.processes import SessionV3
from actors.protocol.messages import Effects
from simulations.cli.main import main
from simulations.scenario.scenario import Scenario, load, override
from simulations.world.failure import Failure
from simulations.world.seed_sweep import SeedResult, run_seed
from simulations.world.world_processes import sweep


def small(**faults: Any) -> Scenario:
    changes = {"population": {"users": 5}, "talk": {"messages": 30}, "activity": {"contacts": 1}, "faults": faults}
    return override(load("town"), changes)


def changed(monkeypatch: pytest.MonkeyPatch, module: Any, action: str, change: Callable[..., Effects]) -> None:
    """Put a method around what a process does for an action."""
    handler = module.handlers[action]

    def method(self: Any, body: Any, context: Any) -> Effects:
        return change(handler.method(self, body, context), self, body, context)

    monkeypatch.setitem(module.handlers, action, handler._replace(method=method))


def test_the_first_message_that_is_concerned_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = itertools.count()

    def forget(effects: Effects, process: Any, body: Any, context: Any) -> Effects:
        if next(slots) == 10:
            process.state = msgspec.structs.replace(process.state, messages=before[0])
        before[0] = process.state.messages
        return effects

    before: list[Any] = [None]
    changed(monkeypatch, SessionV3, "SendMessage", forget)
    scenario = override(load("two-friends"), {"population": {"users": 2}})
    world = run_seed(scenario, 1)
    assert "expected" in world.finding
    assert world.sequence is not None


def test_worlds_side_by_side_come_to_what_each_comes_to_alone() -> None:
    scenario = small(crash_at_message=[60])
    worlds = {world.seed: world for world in sweep(scenario, range(1, 5), 2)}
    assert set(worlds) == {1, 2, 3, 4}
    alone = run_seed(scenario, 3)
    assert timeless(worlds[3]) == timeless(alone)
    assert (alone.finding, alone.crashes, alone.messages) == ("", 1, 30)


def timeless(world: SeedResult) -> SeedResult:
    return msgspec.structs.replace(world, elapsed_s=0.0)


def test_the_command_ends_with_a_table_or_an_object() -> None:
    options = ["simulate", "two-friends", "--messages", "10", "--seeds", "7..9", "--jobs", "2"]
    table = CliRunner().invoke(main, options)
    assert table.exit_code == 0, table.output
    assert "3 worlds" in table.output
    assert "3 passed, 0 failed" in table.output
    found = msgspec.json.decode(CliRunner().invoke(main, [*options, "--json"]).stdout)
    assert [world["seed"] for world in found["worlds"]] == [7, 8, 9]
    assert found["failed"] == 0


def test_a_seed_that_fails_prints_the_command_that_shows_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_fails(*_: Any, **__: Any) -> Iterator[SeedResult]:
        yield from [SeedResult(1, 10, 1), SeedResult(2, failure=Failure("a message is missing", "message", 17))]

    monkeypatch.setattr("simulations.cli.seeds.sweep", one_fails)
    result = CliRunner().invoke(main, ["simulate", "churn", "--users", "4", "--fault", "drop=0.2", "--seeds", "1..2"])
    assert result.exit_code == 1
    assert "seed 2 (at sequence 17): a message is missing" in result.output
    assert "mostao simulate churn --users 4 --fault drop=0.2 --check --seed 2" in result.output


def test_one_world_is_counted_in_the_singular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.cli.seeds.sweep", lambda *_, **__: (SeedResult(1, 10, 1) for _ in "1"))
    assert "1 world in " in CliRunner().invoke(main, ["simulate", "--seeds", "1"]).output


def test_an_interrupted_sweep_prints_and_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Scenario, __: range, ___: int, *, keep: Path) -> Iterator[SeedResult]:
        log = keep / "1" / "world.db"
        log.parent.mkdir()
        log.write_bytes(b"log")
        yield SeedResult(1, failure=Failure("a message is missing", "message", 17), log=str(log))
        raise KeyboardInterrupt

    monkeypatch.setattr("simulations.cli.seeds.sweep", interrupted)
    with CliRunner().isolated_filesystem():
        result = CliRunner().invoke(main, ["simulate", "--seeds", "1..2"])
        assert Path("town-seed-1.db").read_bytes() == b"log"
    assert (result.exit_code, result.stderr) == (130, "seed 1: a message is missing\ninterrupted\n")
    assert "1 world in 0 s" in result.stdout
    assert "seed 1 (at sequence 17): a message is missing" in result.stdout


def test_ctrl_c_ends_a_sweep_and_its_child_processes_without_a_traceback() -> None:
    command = "from simulations.cli.main import main; main()"
    options = ["simulate", "--users", "20", "--messages", "4000", "--seeds", "1..9", "--jobs", "2"]
    run = subprocess.Popen(
        [sys.executable, "-c", command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(psutil.Process(run.pid).children()) < 3:  # two worlds and multiprocessing's tracker
        assert run.poll() is None
    children = psutil.Process(run.pid).children()
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: also to the children, which are still importing
    stdout, stderr = run.communicate(timeout=60)
    assert (run.returncode, stderr) == (130, "interrupted\n")
    assert "0 worlds" in stdout
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_a_fault_of_the_storage_needs_a_crash() -> None:
    result = CliRunner().invoke(main, ["simulate", "--fault", "torn_write=0.5", "--seeds", "1..2"])
    assert result.exit_code == 2
    assert "torn_write acts when the node crashes" in result.output
    assert "crash_at_h" in result.output


def test_a_sweep_counts_the_worlds_without_a_crash() -> None:
    options = ["--users", "3", "--messages", "4", "--fault", "torn_write=0.5", "--fault", "crash_at_message=999999"]
    result = CliRunner().invoke(main, ["simulate", "two-friends", *options, "--seeds", "1..2"])
    assert result.exit_code == 0, result.output
    assert "2 of the worlds had no crash" in result.output


@pytest.mark.parametrize("seeds", ["5..1", "x", "1..", "-3..2", "1..2000000"])
def test_what_is_no_range_of_seeds_is_refused(seeds: str) -> None:
    result = CliRunner().invoke(main, ["simulate", f"--seeds={seeds}"])
    assert result.exit_code == 2
    assert "seeds" in result.output


def test_a_sweep_names_the_logs_itself(path: Any) -> None:
    result = CliRunner().invoke(main, ["simulate", "--seeds", "1..2", "--log", str(path)])
    assert result.exit_code == 2
    assert not path.exists()
