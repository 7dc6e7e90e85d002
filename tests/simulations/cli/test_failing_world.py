"""A world that fails leaves its log, its report and its JSON, and the commands that show the moment."""

import json
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.processes import SessionV3
from eventstore import read_log
from simulations.cli.main import main
from simulations.cli.seeds import LOGS_KEPT
from simulations.world.seed_sweep import SeedResult, run_seed

SMALL = ("simulate", "--users", "4", "--messages", "20", "--check")


def mostao(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions forget every message whose slot is a multiple of 4."""
    kept = SessionV3.handlers["SendMessage"]

    def method(self: SessionV3, body: Any, context: Any) -> Any:
        before = self.state
        effects = kept.method(self, body, context)
        if context.slot % 4 == 0:
            self.state = before
        return effects

    monkeypatch.setitem(SessionV3.handlers, "SendMessage", kept._replace(method=method))


@pytest.mark.usefixtures("forgetful")
def test_a_failing_world_leaves_its_log_its_report_and_its_json(tmp_path: Path) -> None:
    log, report = tmp_path / "my world.db", tmp_path / "report.html"
    result = mostao(*SMALL, "--log", log, "--report", report, "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert Path(said["log"]) == log
    reader = read_log(log)
    assert reader.head().sequence == said["events"] > 20
    reader.close()
    finding = said["finding"]
    assert "expected" in finding["text"]
    assert "@" in finding["text"]
    assert 0 < finding["sequence"] <= said["events"]
    page = report.read_text()
    assert "ended with a finding" in page
    assert "What happened" in page
    assert f"mostao trace {shlex.quote(str(log))}" in page.replace("&#39;", "'").replace("&#x27;", "'")


@pytest.mark.usefixtures("forgetful")
def test_the_printed_commands_show_the_moment_of_the_finding(tmp_path: Path) -> None:
    log = tmp_path / "it's.db"
    result = mostao(*SMALL, "--log", log)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    lines = [line.strip() for line in result.output.splitlines()]
    shown = [shlex.split(line) for line in lines if line.startswith(("mostao replay", "mostao trace"))]
    assert [words[1] for words in shown] == ["replay", "trace"]
    for words in shown:
        run = mostao(*words[1:])
        assert run.exit_code == 0, run.output
        assert run.output
    [again] = [shlex.split(line) for line in lines if line.startswith("mostao simulate")]
    repeated = mostao(*again[1:], "--log", tmp_path / "again.db")
    assert repeated.exit_code == 1
    [finding] = [line for line in lines if line.startswith("finding")]
    assert finding in " ".join(repeated.output.split("\n")).replace("  ", " ") or finding in repeated.output


@pytest.mark.usefixtures("forgetful")
def test_a_finding_contains_no_id_of_a_person(tmp_path: Path) -> None:
    result = mostao(*SMALL, "--log", tmp_path / "x.db", "--json")
    text = json.loads(result.stdout)["finding"]["text"]
    reader = read_log(tmp_path / "x.db")
    for process in reader.processes():
        assert process not in text
    reader.close()


def test_an_unexpected_error_is_a_finding_that_names_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise ZeroDivisionError("ouch")

    monkeypatch.setattr("simulations.world.town.Town._record_read", crash)
    log, report = tmp_path / "x.db", tmp_path / "x.html"
    result = mostao(*SMALL, "--log", log, "--report", report, "--json")
    assert result.exit_code == 1
    finding = json.loads(result.stdout)["finding"]
    assert "an unexpected error ended the world: ZeroDivisionError" in finding["text"]
    assert finding["kind"] == "ZeroDivisionError"
    assert report.exists()


def test_a_log_that_cannot_be_created_is_misuse_and_not_a_finding(tmp_path: Path) -> None:
    log = tmp_path / "x.db"
    assert mostao("simulate", "two-friends", "--messages", 2, "--log", log).exit_code == 0
    again = mostao("simulate", "two-friends", "--messages", 2, "--log", log)
    assert again.exit_code == 2
    assert "already contains a log" in again.output


@pytest.mark.usefixtures("forgetful")
def test_a_sweep_keeps_the_logs_of_the_first_worlds_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(scenario: Any, seeds: range, jobs: int, *, keep: Path) -> Any:  # the planted bug is in this process only
        world = run_seed(scenario, 1, keep)
        yield world
        for seed in seeds[1:]:
            folder = keep / str(seed)
            folder.mkdir()
            (folder / "world.db").write_bytes(b"")
            yield msgspec.structs.replace(world, seed=seed, log=str(folder / "world.db"))

    monkeypatch.setattr("simulations.cli.seeds.sweep", here)
    monkeypatch.chdir(tmp_path)
    result = mostao(*SMALL[:-1], "--seeds", f"1..{LOGS_KEPT + 2}", "--json")
    assert result.exit_code == 1
    worlds = json.loads(result.stdout)["worlds"]
    assert [world["log"] for world in worlds] == [f"town-seed-{seed}.db" for seed in range(1, LOGS_KEPT + 1)] + ["", ""]
    assert {log.name for log in tmp_path.glob("*.db")} == {world["log"] for world in worlds} - {""}
    [first, *_] = worlds
    assert first["commands"]
    for command in first["commands"]:
        assert mostao(*shlex.split(command)[1:]).exit_code == 0


def test_a_world_that_passes_has_no_finding(tmp_path: Path) -> None:
    result = mostao("simulate", "two-friends", "--messages", 4, "--log", tmp_path / "x.db", "--json")
    assert json.loads(result.stdout)["finding"] is None
    assert SeedResult(1).finding == ""
