"""Logs of older versions: this version upgrades, replays, audits and continues them. README.md explains them."""

import gzip
import json
from pathlib import Path

import msgspec
import pytest

from actors import Node, replay
from actors.audit.audit import audit
from actors.processes import MODULES, SUPERSEDED
from actors.protocol.messages import REPLY
from eventstore import read_log
from eventstore.sqlite.file_format import FORMAT
from eventstore.sqlite.upgrade import upgrade
from tests.golden.write_golden import processes, write

HERE = Path(__file__).parent


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A golden log's record in ``logs.json``."""

    file: str
    commit: str
    format: int
    modules: list[str]
    events: int
    unsent: int
    log_head: str
    state_root: str
    state_root_then: str = ""
    note: str = ""


GOLDEN = msgspec.json.decode((HERE / "logs.json").read_bytes(), type=list[Golden])


@pytest.fixture(params=GOLDEN, ids=[golden.file.removesuffix(".db.gz") for golden in GOLDEN])
def golden(request: pytest.FixtureRequest) -> Golden:
    record: Golden = request.param
    return record


@pytest.fixture
def log(golden: Golden, path: Path) -> Path:
    return unpacked(golden, path)


def unpacked(golden: Golden, path: Path) -> Path:
    path.write_bytes(gzip.decompress((HERE / "logs" / golden.file).read_bytes()))
    return path


def granted(path: Path) -> set[tuple[str, str]]:
    """Module and action of each message in a log that was not refused."""
    log = read_log(path)
    modules, actions = {}, set()
    for row in log.read():
        if not row.slot:
            modules[row.process] = dict(json.loads(row.message.tags))["Module"]
        elif row.error is None:
            actions.add((modules[row.process], row.message.action))
    log.close()
    return actions


def all_actions() -> set[tuple[str, str]]:
    return {(module, action) for module, kind in MODULES.items() for action in kind.handlers if action != REPLY}


def test_it_is_brought_to_the_newest_format_with_its_events_as_they_are(golden: Golden, log: Path) -> None:
    old_format, head = upgrade(log)
    assert (old_format, head.sequence, head.chain.hex()) == (golden.format, golden.events, golden.log_head)
    assert sorted(processes(log)) == golden.modules


def test_it_replays_to_the_same_end(golden: Golden, log: Path) -> None:
    upgrade(log)
    replayed = replay(log)
    assert (replayed.events, replayed.unsent) == (golden.events, golden.unsent)
    assert (replayed.log_head, replayed.state_root) == (golden.log_head, golden.state_root)


def test_its_audit_finds_nothing(golden: Golden, log: Path) -> None:
    upgrade(log)
    report = audit(log, all_faults=True)
    assert report.faults == []
    assert (report.events, report.unsent) == (golden.events, golden.unsent)
    assert (report.log_head, report.state_root) == (golden.log_head, golden.state_root)
    upgraded = read_log(log)
    assert report.checkpoints == len(upgraded.checkpoints())
    assert (report.checkpoints > 0) == (golden.format > 1)
    upgraded.close()


async def test_a_node_goes_on_where_it_ends(golden: Golden, log: Path) -> None:
    async with Node.open(log) as node:
        assert node.sequence >= golden.events + golden.unsent
        assert (node.state_root == golden.state_root) == (not golden.unsent)
    report = audit(log)
    assert (report.faults, report.unsent) == ([], 0)


def test_there_is_one_of_every_format_and_of_every_version_of_a_module() -> None:
    assert {golden.format for golden in GOLDEN} == {*range(1, FORMAT + 1)}
    assert {module for golden in GOLDEN for module in golden.modules} == {*MODULES}
    assert sorted(golden.file for golden in GOLDEN) == sorted(file.name for file in (HERE / "logs").iterdir())


def test_every_action_of_every_module_is_done_in_one(path: Path) -> None:
    done: set[tuple[str, str]] = set()
    for golden in GOLDEN:
        upgrade(unpacked(golden, path))
        done |= granted(path)
    assert all_actions() - done == set()


def test_the_next_one_will_hold_everything_too(path: Path) -> None:
    write(path)
    assert audit(path).faults == []
    newest = {(module, action) for module, action in all_actions() if module not in SUPERSEDED}
    assert newest - granted(path) == set()
