import json
import os
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from actors import replay
from actors.audit.audit import audit
from actors.processes import Session, SessionV3
from actors.protocol.messages import Effects
from simulations.scenario.attacks import ATTACKS
from simulations.scenario.scenario import Scenario, load, override
from simulations.scenario.workload import plan_day
from simulations.world import outsider as outsider_module
from simulations.world.invariants import Finding
from simulations.world.run import run_world
from simulations.world.town import Outcome


def day(*, users: int = 12, messages: int = 60, **faults: Any) -> Scenario:
    changes = {"population": {"users": users}, "talk": {"messages": messages}, "faults": faults}
    return override(load("town"), changes)


async def live(path: Path, *, seed: int = 7, checked: bool = False, **changes: Any) -> tuple[Outcome, str, str]:
    result = await run_world(day(**changes), seed=seed, path=path, progress=lambda: None, checked=checked)
    return result.outcome, result.log_head, result.state_root


async def test_a_day_in_town_leaves_a_log_that_replays_to_the_same_state(path: Path) -> None:
    outcome, head, root = await live(path)
    assert (outcome.users, outcome.handles, outcome.messages_sent, outcome.messages_read) == (12, 12, 60, 60)
    assert outcome.hostile_attempts == outcome.hostile_refused >= len(ATTACKS)
    assert set(outcome.refusals) == set(ATTACKS)
    assert outcome.third_party_attempts > outcome.third_party_opened == 0
    replayed = replay(path)
    assert (replayed.log_head, replayed.state_root, replayed.unsent) == (head, root, 0)


@pytest.mark.parametrize("seed", range(100, 110))
async def test_an_untouched_log_raises_no_false_alarm(path: Path, seed: int) -> None:
    await live(path, users=6, messages=30, seed=seed)
    report = audit(path, all_faults=True)
    assert (report.faults, report.unsent) == ([], 0)


def content(path: Path) -> bytes:
    """Every logged column of every row."""
    connection = sqlite3.connect(path)
    digest = sha256(repr(connection.execute("select * from assignments order by sequence").fetchall()).encode())
    connection.close()
    return digest.digest()


async def test_the_same_seed_gives_the_same_log_byte_for_byte_and_another_seed_another(tmp_path: Path) -> None:
    logs = []
    for number, seed in enumerate((7, 7, 8)):
        path = tmp_path / f"{number}.db"
        await live(path, seed=seed)
        logs.append(content(path))
    assert logs[0] == logs[1] != logs[2]


def simulate(path: Path, *, hash_seed: str) -> dict[str, Any]:
    command = ["simulate", "--users", "8", "--messages", "30", "--seed", "3", "--log", str(path), "--json"]
    run = subprocess.run(
        [sys.executable, "-c", "from simulations.cli.main import main; main()", *command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    return json.loads(run.stdout)


def test_the_order_in_which_python_hashes_makes_no_difference(tmp_path: Path) -> None:
    runs = [simulate(tmp_path / f"{seed}.db", hash_seed=seed) for seed in ("0", "1", "4711")]
    assert len({(run["log_head"], run["state_root"]) for run in runs}) == 1


async def test_two_people_are_a_town(path: Path) -> None:
    outcome, _, _ = await live(path, users=2, messages=10)
    assert (outcome.sessions, outcome.messages_read) == (1, 10)


async def test_a_town_may_be_silent(path: Path) -> None:
    outcome, _, _ = await live(path, messages=0)
    assert (outcome.messages_sent, outcome.generations) == (0, 0)


def test_the_plan_has_every_message_and_every_kind_of_attack() -> None:
    lives = plan_day(day(users=30, messages=200), 1)
    acts = [act for life in lives for act in life.acts]
    assert sum(act.kind == "talk" for act in acts) == 200
    assert {act.text for act in acts if act.kind == "attack"} == set(ATTACKS)
    assert any(life.offline[1] for life in lives)


async def test_a_session_that_loses_a_message_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SessionV3.handlers["SendMessage"]
    count = iter(range(10**6))

    def forgetful(self: Session, body: Any, context: Any) -> Effects:
        before = self.state
        effects = kept.method(self, body, context)
        if next(count) == 20:
            self.state = before
        return effects

    monkeypatch.setitem(SessionV3.handlers, "SendMessage", kept._replace(method=forgetful))
    with pytest.raises(Finding, match=r"message \d+ of .* expected .* found"):
        await live(path)


async def test_a_third_party_that_opens_something_is_a_finding(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outsider_module, "open_session_key", lambda sealed, key: b"opened")
    with pytest.raises(Finding, match="secrets that a third party opened: expected 0"):
        await live(path)


async def test_somebody_who_is_refused_what_has_to_be_granted_is_a_finding(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(SessionV3.handlers, "GetCurrentKeys")
    with pytest.raises(Finding, match=r"an action of @\w+ failed that must succeed: .* knows no action"):
        await live(path)


def test_everybody_is_there_before_anyone_looks_for_them() -> None:
    for seed in range(20):
        lives = plan_day(day(users=40, messages=50), seed)
        assert max(life.arrives_s for life in lives) < min(act.at_s for life in lives for act in life.acts)
