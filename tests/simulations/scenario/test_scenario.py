from pathlib import Path

import pytest
from click.testing import CliRunner

from simulations.cli.main import main
from simulations.faults.registry import FAULTS
from simulations.scenario.scenario import Scenario, ScenarioUnusable, built_in, explain, load, override, parse
from simulations.scenario.workload import TALK_H, plan_day
from simulations.world.run import run_world

EVERY_FAULT = {
    "drop": 0.1,
    "lose_answer": 0.1,
    "duplicate": 0.2,
    "delay": 0.2,
    "reorder": 0.3,
    "crash_at_message": [30, 80, 150],
    "crash_at_h": [9, 15],
    "slow_disk_ms": 0.1,
    "live_processes": 8,
    "torn_write": 0.5,
    "wrong_clock": 0.5,
}


def test_what_explain_prints_is_a_scenario_of_the_defaults() -> None:
    said = parse(explain(), "explained.toml")
    assert override(said, {}) == said
    assert said.population == Scenario().population
    assert said.faults == Scenario().faults
    assert len(said.phases) == 1
    for line in explain().splitlines():
        assert not line or line.startswith(("[", "#")) or "#" in line or line == 'description = ""'


def test_list_names_every_scenario_with_a_line() -> None:
    printed = CliRunner().invoke(main, ["simulate", "--list"]).output
    names = {"two-friends", "town", "flash-crowd", "churn", "hostile", "long-memory", "relation", "everything"}
    assert set(built_in()) == names
    for name, scenario in built_in().items():
        assert scenario.description
        assert f"{name:<14} {scenario.description}" in printed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "the file: object contains unknown field `x`"),
        ("[population]\nuser = 5", "population: object contains unknown field `user`"),
        ("[population]\nusers = 1", "population.users: expected `int` >= 2"),
        ('[population]\nusers = "many"', "population.users: expected `int`, got `str`"),
        ("[talk]\nmessages = -1", "talk.messages: expected `int` >= 0"),
        ("[talk]\nwords = [5, 2]", "the minimum of words, 5, is above the maximum, 2"),
        ('[talk]\nrhythm = "waltz"', "talk.rhythm: invalid enum value 'waltz'"),
        ("[presence]\naway_h = [3, 2]", "the minimum of hours offline, 3, is above the maximum, 2"),
        ("[hostile.kinds]\nsteal = 1", "unknown attack 'steal'"),
        ('[hostile.kinds]\n"take a name" = 0', "needs a weight above 0"),
        (
            "[[phases]]\nfrom_h = 3\nto_h = 2",
            "phases[0]: a phase must end after it starts, not run from hour 3 to hour 2",
        ),
        ("[[phases]]\nfrom_h = 3\nto_h = 25", "phases[0].to_h: expected `float` <= 24"),
        ("[[phases]]\nfrom_h = 3", "phases[0]: object missing required field `to_h`"),
        ("[faults]\ndrop = 1.5", "faults.drop: expected `float` <= 1"),
        ("[talk", "my.toml is not valid TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_the_name_of_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ScenarioUnusable) as refused:
        parse(text, "my.toml")
    assert said in str(refused.value)
    assert str(refused.value).startswith("my.toml")


@pytest.mark.parametrize("faults", ["drop = 1", "lose_answer = 1.0", "drop = 0.95\nlose_answer = 0.9"])
def test_a_file_with_faults_that_let_no_message_through_is_refused(faults: str) -> None:
    with pytest.raises(ScenarioUnusable, match=r"my\.toml: faults: drop and lose_answer together let only 0\.\d0%"):
        parse(f"[faults]\n{faults}", "my.toml")
    assert parse("[faults]\ndrop = 0.99", "my.toml").faults.any


def test_a_town_of_two_always_has_somebody_to_talk_to() -> None:
    scenario = parse("[population]\nusers = 2\n[ties]\nfriends = 1\nfar = 1", "far.toml")
    for seed in range(20):
        assert plan_day(scenario, seed)


def test_newcomers_come_in_their_phase_and_most_is_said_in_it() -> None:
    scenario = override(load("flash-crowd"), {"population": {"users": 100}, "talk": {"messages": 1000}})
    lives = plan_day(scenario, 3)
    assert sum(12 * 3600 <= life.arrives_s <= 12.5 * 3600 for life in lives) == 50
    said = [act.at_s for life in lives for act in life.acts if act.kind == "talk"]
    assert len(said) == 1000
    assert sum(12 * 3600 <= at_s < 12.6 * 3600 for at_s in said) > 400


def test_by_day_more_is_said_than_by_night() -> None:
    scenario = parse('[talk]\nrhythm = "day"\nmessages = 3000', "day.toml")
    hours = [act.at_s / 3600 for life in plan_day(scenario, 1) for act in life.acts if act.kind == "talk"]
    assert sum(11 <= hour < 17 for hour in hours) > 2 * sum(18 <= hour < 24 for hour in hours)
    assert min(hours) >= TALK_H


@pytest.mark.parametrize("shape", ["pairs", "small-world", "hubs"])
def test_people_talk_with_those_to_whom_they_are_tied(shape: str) -> None:
    scenario = parse(f'[ties]\nshape = "{shape}"\n[population]\nusers = 31', "ties.toml")
    lives = plan_day(scenario, 5)
    ties = {
        frozenset((one, act.other)) for one, life in enumerate(lives) for act in life.acts if act.kind == "establish"
    }
    talks = {frozenset((one, act.other)) for one, life in enumerate(lives) for act in life.acts if act.kind == "talk"}
    assert talks <= ties
    assert all(len(two) == 2 for two in ties)
    assert (shape == "pairs") == (len(ties) == 16)


@pytest.mark.parametrize("name", sorted(built_in()))
async def test_every_scenario_holds_what_has_to_hold(name: str, path: Path) -> None:
    scenario = load(name)
    sizes = {"population": {"users": min(scenario.population.users, 8)}, "talk": {"messages": 60}}
    small = override(scenario, {**sizes, "groups": {"count": min(scenario.groups.count, 2), "messages": 6}})
    result = await run_world(small, seed=1, path=path, progress=lambda: None, checked=True)
    groups = scenario.groups.count * (scenario.groups.messages + scenario.groups.changes)
    assert 60 <= result.outcome.messages_sent <= 60 * (1 + scenario.relation.share) + groups
    assert result.outcome.messages_read >= result.outcome.messages_sent


def test_every_fault_occurs_in_a_world() -> None:
    lossy = {"lost_fsync", "bit_rot"}  # in tests/simulations/world/test_storage_faults.py, because they end worlds
    assert {fault.__struct_fields__[0] for fault in FAULTS} == set(EVERY_FAULT) | lossy


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_goes_wrong_nothing_is_lost_and_the_log_is_the_same_each_time(seed: int, tmp_path: Path) -> None:
    scenario = override(load("two-friends"), {"population": {"users": 6}, "faults": EVERY_FAULT})
    logs = []
    for number in range(2):
        path = tmp_path / f"{number}.db"
        result = await run_world(scenario, seed=seed, path=path, progress=lambda: None, checked=True)
        assert result.outcome.messages_read == 60
        assert result.crashes >= 3
        logs.append(path.read_bytes())
    assert logs[0] == logs[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "unknown scenario 'nowhere'; known: churn"),
        (["nowhere.toml"], "nowhere.toml cannot be read (No such file or directory)"),
        (["--fault", "drop"], "'drop' is not a fault"),
        (["--fault", "drop=often"], "is not a fault"),
        (["--fault", "flood=1"], "unknown fault 'flood'; known: drop"),
        (["--fault", "drop=2"], "faults.drop: expected `float` <= 1"),
        (["--fault", "drop=1.0"], "drop and lose_answer together let only 0.00% of all attempts"),
        (["--fault", "drop=0.95", "--fault", "lose_answer=0.9"], "at least 1% must: lower one of them"),
        (["--jobs", "2"], "--jobs needs --seeds"),
        (["--fault", "crash_at_message=0"], "faults.crash_at_message[0]: expected `int` >= 1"),
    ],
)
def test_misuse_of_the_command_is_refused(arguments: list[str], said: str, path: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", *arguments, "--log", str(path)])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not path.exists()
