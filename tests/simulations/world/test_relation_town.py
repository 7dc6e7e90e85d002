"""People of both protocols in one world, on one log."""

from pathlib import Path
from typing import Any

import pytest

from actors.processes import RelationV2
from actors.processes.relation import key_keeper as key_keeper_module
from simulations.scenario.scenario import Scenario, load, override
from simulations.world.invariants import Finding
from simulations.world.relation_attacks import ATTACKS
from simulations.world.run import run_world
from simulations.world.town import Outcome


def world(*, users: int = 5, messages: int = 40, **faults: Any) -> Scenario:
    changes = {
        "population": {"users": users},
        "talk": {"messages": messages},
        "groups": {"count": 2, "members": 3, "messages": 8, "changes": 2},
        "faults": faults,
    }
    return override(load("relation"), changes)


async def live(path: Path, *, seed: int = 3, checked: bool = True, **changes: Any) -> tuple[Outcome, str]:
    result = await run_world(world(**changes), seed=seed, path=path, progress=lambda: None, checked=checked)
    return result.outcome, result.log_head


async def test_people_of_both_protocols_live_in_one_world_on_one_log(path: Path) -> None:
    outcome, _ = await live(path)
    assert outcome.messages_read > outcome.messages_sent > 80  # a message to a group is read by many
    assert (outcome.groups, outcome.relation.groups, outcome.relation.people) == (1, 1, 5)
    assert outcome.relation.packed > 40
    assert outcome.relation.packs >= 2
    assert outcome.relation.renewed
    assert outcome.relation.moved
    assert set(outcome.refusals) >= set(ATTACKS)


async def test_the_same_seed_gives_the_same_log_and_the_same_archive(tmp_path: Path) -> None:
    heads, archives = [], []
    for name in ("one.db", "two.db"):
        heads.append((await live(tmp_path / name, checked=False))[1])
        folder = tmp_path / f"{name}.archive"
        archives.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert heads[0] == heads[1]
    assert archives[0] == archives[1]


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_is_lost_when_things_go_wrong(path: Path, seed: int) -> None:
    faults = {"drop": 0.05, "lose_answer": 0.05, "duplicate": 0.1, "delay": 0.1, "reorder": 0.1}
    outcome, _ = await live(path, seed=seed, **faults, crash_at_message=[150, 400, 401, 800])
    assert outcome.messages_read > outcome.messages_sent > 80


async def test_a_key_keeper_that_gives_keys_to_anybody_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_keeper_module, "met", lambda *_: True)
    with pytest.raises(Finding, match="hostile attempts"):
        await live(path, messages=60, checked=False)


async def test_a_message_that_is_lost_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = RelationV2.handlers["sendMessage"]
    count = iter(range(10**6))

    def forgetful(self: RelationV2, body: Any, context: Any) -> Any:
        before = self.state
        effects = kept.method(self, body, context)
        if next(count) == 20:
            self.state = before
        return effects

    monkeypatch.setitem(RelationV2.handlers, "sendMessage", kept._replace(method=forgetful))
    with pytest.raises(Finding):
        await live(path, checked=False)
