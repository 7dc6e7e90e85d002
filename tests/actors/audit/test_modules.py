"""Modules have versions, and every one of them gives the same each time."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors import Limits, Node, NodeFailed, UnknownModule, replay
from actors.audit.audit import audit
from actors.evaluation.process_table import ProcessTable
from actors.processes import MODULES
from eventstore import Assignment
from tests.actors.audit.planted import PLANTED
from tests.actors.people import ALICE, KEYS, NODE, item, relay, still, talking
from tests.sqlite_file import execute


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in PLANTED.items():
        monkeypatch.setitem(MODULES, name, kind)


def start(module: str, data: str = "") -> bytes:
    return ALICE.sign(tags=[("Type", "Process"), ("Module", module)], data=data)


def faults_found_elsewhere(path: Path, seed: str) -> list[str]:
    """What an audit in another process, with another order of sets, finds."""
    command = [sys.executable, "-m", "tests.actors.audit.planted", str(path)]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("module", ["planted.clock@1", "planted.random@1", "planted.set@1"])
def test_a_module_that_is_not_deterministic_is_caught_by_the_audit_which_names_the_message(
    path: Path, module: str
) -> None:
    async def live() -> int:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            await talking(node)
            process = (await node.send(start(module))).message_id
            return (await node.send(item(ALICE, process, "Ask"))).sequence

    sequence = asyncio.run(live())
    assert any(faults_found_elsewhere(path, seed) == [f"{sequence} output"] for seed in ("1", "2", "3"))


def test_one_that_is_deterministic_is_not(path: Path) -> None:
    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            process = (await node.send(start("planted.honest@1"))).message_id
            for _ in range(3):
                await node.send(item(ALICE, process, "Ask"))

    asyncio.run(live())
    assert [faults_found_elsewhere(path, seed) for seed in ("1", "2", "3")] == [[], [], []]


async def test_two_versions_of_a_module_live_side_by_side_in_one_log(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, b, session = await talking(node)
        louder = (await node.send(start("mostao.session@4", json.dumps({"a": a, "b": b})))).message_id
        await node.send(relay(ALICE, a, session, "SendMessage", {"content": "x"}))
        refused = await node.send(relay(ALICE, a, louder, "SendMessage", {"content": "x"}))
        assert refused.error is not None  # the handle has no such session in its chat list
        keys = await node.dryrun(louder, action="RotateSessionKey", data=json.dumps(KEYS), sender=a)
        assert keys.answer == {"status": "success", "generation": 1}
        await node.drain()
        root = node.state_root
    replayed = replay(path)
    assert replayed.state_root == root
    modules = {replayed.process_table.entries[process].module for process in (session, louder)}
    assert modules == {"mostao.session@3", "mostao.session@4"}
    with_quiet, without = (
        replayed.process_table.entries[process].process.handlers["SendMessage"].method for process in (session, louder)
    )
    assert with_quiet is not without
    assert audit(path).faults == []


async def test_the_log_names_the_module_of_each_process(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await talking(node)
        await node.send(start("mostao.session@4", '{"a":"x","b":"y"}'))
    modules = [module for [module] in execute(path, "select module from processes order by sequence")]
    assert modules == [
        *("mostao.registry@3", "mostao.handle@2", "mostao.handle@2", "mostao.session@3", "mostao.session@4")
    ]


async def test_a_version_that_is_not_there_is_refused_by_its_name_also_by_a_node_that_has_snapshots(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(snapshot_slots_min=1, snapshot_log_events_min=1)
    async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
        process = (await node.send(start("planted.honest@1"))).message_id
        await node.send(item(ALICE, process, "Ask"))
    monkeypatch.delitem(MODULES, "planted.honest@1")
    for attempt in (lambda: replay(path), lambda: audit(path)):
        with pytest.raises(UnknownModule, match=r"planted\.honest@1"):
            attempt()
    with pytest.raises(UnknownModule, match=r"planted\.honest@1"):
        async with Node.open(path):
            pass


async def test_a_process_that_cannot_be_had_stops_the_node_and_nobody_is_left_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        process = (await node.send(start("planted.honest@1"))).message_id
        await node.send(item(ALICE, process, "Ask"))

        def broken(world: ProcessTable, assignment: Assignment) -> None:
            raise MemoryError("no more")

        with monkeypatch.context() as patch:
            patch.setattr(ProcessTable, "evaluate", broken)
            for _ in range(2):
                with pytest.raises(NodeFailed, match=r"event 4 could not be evaluated \(MemoryError: no more\)"):
                    await node.send(item(ALICE, process, "Ask"))
    async with Node.open(path) as node:
        assert (await node.send(item(ALICE, process, "Ask"))).answer["asked"] == 2
