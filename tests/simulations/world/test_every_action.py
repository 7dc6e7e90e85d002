"""The scenario ``everything`` does what its description says: every action of every module occurs."""

from pathlib import Path

import pytest

from actors.evaluation.process_table import ProcessTable
from actors.processes import MODULES
from actors.protocol.messages import REPLY
from actors.protocol.spawn import module_of
from eventstore import read_log
from simulations.scenario.scenario import load
from simulations.world.model.model import MODELS
from simulations.world.run import run_world

NEWEST = {module.partition("@")[0]: kind for module, kind in MODULES.items()}
ACTIONS = {(name, action) for name, kind in NEWEST.items() for action in kind.handlers if action != REPLY}

TOO_RARE = {("mostao.handle", "ChatNotAdded")}
"""It follows from a chat list with 1,000 strangers, which no small world has."""


async def test_each_action_of_the_newest_modules_occurs_in_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[str, str]] = set()
    dryrun = ProcessTable.dryrun

    def recorded(self: ProcessTable, message: object, *, timestamp: int) -> object:
        entry = self.entries.get(message.target)  # type: ignore[attr-defined]
        if entry is not None:
            seen.add((entry.module.partition("@")[0], message.action))  # type: ignore[attr-defined]
        return dryrun(self, message, timestamp=timestamp)  # type: ignore[arg-type]

    monkeypatch.setattr(ProcessTable, "dryrun", recorded)
    for seed in (1, 2):
        path = tmp_path / f"{seed}.db"
        await run_world(load("everything"), seed=seed, path=path, progress=lambda: None, checked=True)
        log = read_log(path)
        modules: dict[str, str] = {}
        for row in log.read():
            if row.message.id == row.message.target:
                modules[row.process] = module_of(row.message).partition("@")[0]
            if row.error is None:
                seen.add((modules[row.process], row.message.action))
        log.close()
    assert sorted(ACTIONS - seen - TOO_RARE) == []


def test_each_action_of_the_newest_modules_has_a_model() -> None:
    modelled = {(name, action) for name, kind in MODELS.items() for action in (*kind.changes, *kind.queries)}
    assert ACTIONS - modelled == set()
