"""After a kill, a node checks its log: it never continues on damaged data."""

import asyncio
from pathlib import Path
from shutil import copy

import msgspec
import pytest

from actors import Limits, Node
from eventstore import EventStoreError, StorageDamaged
from eventstore.sqlite.file_names import beside
from tests.actors.people import ALICE, NODE, register, relay, still, talking
from tests.sqlite_file import execute

SNAPSHOT_ALL = Limits(snapshot_slots_min=1, snapshot_log_events_min=1)
LONG = msgspec.structs.replace(SNAPSHOT_ALL, recheck_events_max=0)
"""Every log is a long one, which a child process checks."""


@pytest.fixture
async def killed(tmp_path: Path) -> Path:
    """A log with snapshots, as a kill leaves it."""
    live, path = tmp_path / "live.db", tmp_path / "world.db"
    async with Node.open(live, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        a, _, session = await talking(node)
        for number in range(300):
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"message {number}"}))
        await node.drain()
    async with Node.open(live, clock=still, limits=SNAPSHOT_ALL) as node:
        await register(node, ALICE, "late")
        await node.drain()
        for suffix in ("", "-wal", ".lock", ".snapshots", ".snapshots.key"):
            if (file := beside(live, suffix)).exists():
                copy(file, beside(path, suffix))
    return path


DAMAGES = {
    "an old message": "update assignments set data = replace(data, 'message 5', 'message 6') where sequence < 100",
    "an old reply": "update assignments set output = replace(output, 'success', 'succass') where sequence < 100",
    "a chain": "update assignments set process_chain = zeroblob(32) where sequence = 50",
    "an index entry": "update ids set sequence = sequence + 1 where sequence = 20",
    "a hash of the tree": "update tree set hash = zeroblob(32)",
    "the start of a process": "update assignments set spawn = spawn + 1 where sequence = 40",
}


def damage(path: Path, what: str) -> None:
    """Change the file where a node that trusts its snapshots does not look, and leave the write-ahead log beside it."""
    wal = path.with_name(path.name + "-wal")
    execute(path, DAMAGES[what])
    wal.touch()


@pytest.mark.parametrize("what", DAMAGES)
async def test_a_node_refuses_a_damaged_log_after_a_kill(killed: Path, what: str) -> None:
    damage(killed, what)
    for _ in range(2):  # it stays refused
        with pytest.raises(EventStoreError):
            async with Node.open(killed, clock=still, limits=SNAPSHOT_ALL):
                pass


async def test_an_undamaged_log_opens_after_a_kill_and_is_trusted_after_it_was_closed(killed: Path) -> None:
    async with Node.open(killed, clock=still, limits=SNAPSHOT_ALL) as node:
        assert node._recovered.watermark == 0
        root = node.state_root
    async with Node.open(killed, clock=still, limits=SNAPSHOT_ALL) as node:
        assert node._recovered.watermark == node.sequence
        assert node.state_root == root


@pytest.mark.parametrize("what", ["an old message", "a chain", "an index entry", "a hash of the tree"])
async def test_a_node_stops_when_the_check_of_a_long_log_finds_damage(killed: Path, what: str) -> None:
    damage(killed, what)
    async with Node.open(killed, clock=still, limits=LONG) as node:
        await node._recheck.done()
        await asyncio.sleep(0)
        with pytest.raises(StorageDamaged, match="restore a copy"):
            await register(node, ALICE, "later")
    async with Node.open(killed, clock=still, limits=LONG) as node:  # it was not closed, and is checked again
        assert node._recovered.unchecked_events
        await node._recheck.done()


async def test_a_long_log_without_damage_is_checked_and_served(killed: Path) -> None:
    async with Node.open(killed, clock=still, limits=LONG) as node:
        assert node._recovered.watermark > 0
        await register(node, ALICE, "meanwhile")
        await node._recheck.done()
        await register(node, ALICE, "later")
    async with Node.open(killed, clock=still, limits=LONG) as node:
        assert not node._recovered.unchecked_events
