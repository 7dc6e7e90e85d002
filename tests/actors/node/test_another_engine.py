"""Node, replay and audit use a log by its location alone, whatever engine stores it."""

from pathlib import Path

import pytest

from actors import Limits, Node, replay
from actors.ans104.wallet import key_path
from actors.audit.audit import audit
from eventstore import engines, read_log
from tests import another_engine
from tests.actors.audit.in_process import run_in_this_process
from tests.actors.people import talking

SNAPSHOT_ALL = Limits(snapshot_slots_min=1, snapshot_log_events_min=1)


@pytest.fixture
def location(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(engines.ENGINES, "another", another_engine.__name__)
    return f"another://{path}"


async def test_a_log_of_another_engine_is_continued_replayed_and_audited(location: str, path: Path) -> None:
    async with Node.open(location, limits=SNAPSHOT_ALL) as node:
        await talking(node)
        await node.drain()
        assert node.load().log_bytes > 0
        root, events = node.state_root, node.sequence
    assert key_path(path).exists()
    async with Node.open(location, limits=SNAPSHOT_ALL) as node:
        assert (node.state_root, node.sequence) == (root, events)
    assert replay(location).state_root == root
    assert replay(location, jobs=2, run=run_in_this_process).state_root == root
    for jobs in (1, 2):
        report = audit(location, jobs=jobs, run=run_in_this_process)
        assert (report.faults, report.state_root, report.checkpoints) == ([], root, 1)
        assert report.snapshots > 0


async def test_a_log_is_opened_again_by_its_location(location: str) -> None:
    async with Node.open(location):
        pass
    log = read_log(location)
    again = read_log(log.location)
    assert again.location == log.location == location
    assert again.head() == log.head()
    for reader in (log, again):
        reader.close()
