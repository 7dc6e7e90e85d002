"""Idle processes leave memory, and come back exactly as they were."""

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from actors import Limits, Node, replay
from actors.audit.audit import audit
from eventstore.sqlite.snapshots import SqliteSnapshots, snapshots_path
from tests.actors.audit.forger import forget_checkpoints, read, write
from tests.actors.people import ALICE, BOB, NODE, item, register, relay, still, talking

SNAPSHOT_ALL = Limits(snapshot_slots_min=1, snapshot_log_events_min=1)
"""Snapshots of every process, also of a short log."""
FEW_LIVE = msgspec.structs.replace(SNAPSHOT_ALL, live_max=4)


async def chat(node: Node, count: int = 5) -> str:
    a, b, session = await talking(node)
    for number in range(count):
        await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"a{number}"}))
        await node.send(relay(BOB, b, session, "SendMessage", {"content": f"b{number}"}))
        await register(node, ALICE, f"alice-{number}")
    await node.drain()
    return session


async def evicted(node: Node) -> None:
    while node.load().evicting:
        await asyncio.sleep(0)


def live(node: Node) -> int:
    return node.load().live_processes


async def test_no_more_processes_live_than_may_and_all_states_are_as_if_they_did(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=FEW_LIVE) as node:
        most = 0
        a, b, session = await talking(node)
        for number in range(20):
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": str(number)}))
            await register(node, BOB, f"bob-{number}")
            most = max(most, live(node))
        await node.drain()
        assert most <= FEW_LIVE.live_max + 3  # what one message reaches is let in whole
        assert node.load().live_actors + node.load().spare_actors <= FEW_LIVE.live_max + 4
        root = node.state_root
        answer = (await node.dryrun(session, action="QueryMessage")).answer
        assert [row["content"] for row in answer] == [str(number) for number in reversed(range(20))]
    replayed = replay(path)
    assert (replayed.state_root, len(replayed.process_table.entries)) == (root, 24)
    assert (audit(path).faults, audit(path).snapshots > 10) == ([], True)


async def test_snapshots_are_written_with_rests_which_end_when_somebody_waits(
    path: Path,
) -> None:
    endless_rests = msgspec.structs.replace(SNAPSHOT_ALL, live_max=100, snapshot_events=1, snapshot_rest_factor=1e9)
    async with Node.open(path, wallet=NODE, clock=still, limits=endless_rests) as node:
        await chat(node)
        assert node.load().evicting
        while live(node) <= 100:
            await register(node, BOB, f"bob-{live(node)}")
        for name in ("eve", "mallory", "carol"):  # there has to be room first
            await register(node, BOB, name)
        assert node.load().evicting
        root = node.state_root
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:  # closing wrote every snapshot
        assert live(node) < 5
        assert node.state_root == root


async def test_a_process_that_is_idle_leaves_and_comes_back_as_it_was(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        session = await chat(node)
        root = node.state_root
        for _ in range(4):
            node.evict_idle()
        await node.drain()
        await evicted(node)
        assert live(node) > 0  # four quarters have passed since the first look after the last message: not yet
        node.evict_idle()
        await node.drain()
        await evicted(node)
        assert live(node) == 0
        assert node.load().heads_in_memory == 0
        assert node.state_root == root
        answer = (await node.dryrun(session, action="QueryMessage", data='{"limit":1}')).answer
        assert answer[0]["content"] == "b4"
        await register(node, BOB, "carol")
        assert (await node.dryrun(node.registry, action="QueryHandle", data='{"handle":"carol"}')).answer["registered"]


async def test_a_node_looks_by_itself_who_is_idle(path: Path) -> None:
    limits = msgspec.structs.replace(SNAPSHOT_ALL, idle_s=0.01)
    async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
        await register(node, ALICE, "alice")
        while live(node):
            await asyncio.sleep(0)


async def test_a_node_opens_from_its_snapshots_without_replaying(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        await chat(node)
        root, events = node.state_root, node.sequence
    caplog.set_level(logging.INFO, logger="mostao")
    async with Node.open(path, limits=SNAPSHOT_ALL) as node:
        assert (live(node), node.state_root, node.sequence) == (0, root, events)
    [opened] = [record.msg for record in caplog.records if record.msg["event"] == "opened"]
    assert opened["replayed"] == 0


async def test_a_node_that_was_killed_replays_from_its_last_snapshots(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        await chat(node)
        events = node.sequence
    kept = snapshots_path(path).read_bytes()
    async with Node.open(path, limits=SNAPSHOT_ALL) as node:
        a, b = [await register(node, BOB, name) for name in ("dora", "emil")]
        await node.send(item(BOB, node.registry, "EstablishSession", {"handleA": "dora", "handleB": "emil"}))
        await node.drain()
        root, more = node.state_root, node.sequence
    whole = read(path)
    for end in range(events, more + 1):
        snapshots_path(path).write_bytes(kept)
        write(path, whole[:end])
        forget_checkpoints(path)
        caplog.clear()
        caplog.set_level(logging.INFO, logger="mostao")
        async with Node.open(path, limits=SNAPSHOT_ALL) as node:
            assert node.sequence >= end
            if end == more:
                assert node.state_root == root
        [opened] = [record.msg for record in caplog.records if record.msg["event"] == "opened"]
        assert opened["replayed"] == opened["events"] - events
        assert replay(path).unsent == 0
        assert audit(path).faults == []


DOCTORED = {
    "changes a state": "update snapshots set state = replace(state, 'alice', 'mallo')",
    "changes an owner": "update snapshots set owner = 'mallory'",
    "changes a slot": "update snapshots set slot = slot - 1",
    "changes a sequence": "update snapshots set sequence = sequence - 1",
    "changes a module": "update snapshots set module = 'mostao.other@1'",
    "changes an assignment": "update snapshots set assignment_id = zeroblob(32)",
    "changes a MAC": "update snapshots set mac = zeroblob(32)",
    "deletes a MAC": "update snapshots set mac = null",
    "writes nonsense": "update snapshots set state = 'nonsense', slot = 'x'",
    "swaps two processes": "update snapshots set process = 'x' || process",
}


@pytest.mark.parametrize("did", DOCTORED)
async def test_a_snapshot_without_a_valid_mac_is_refused_and_its_process_replayed(
    path: Path, did: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        await chat(node)
        root = node.state_root
    snapshots = SqliteSnapshots.open(snapshots_path(path))
    snapshots._connection.execute(DOCTORED[did])
    snapshots.close()
    assert bool(audit(path).faults) == (not did.endswith("a MAC"))  # it compares with a replay, and needs no key
    async with Node.open(path, limits=SNAPSHOT_ALL) as node:
        assert node.state_root == root
    if did != "swaps two processes":
        assert "a snapshot was refused" in caplog.text


async def test_a_forger_who_has_the_key_is_found_by_the_audit(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        await chat(node)
    snapshots = SqliteSnapshots.open(snapshots_path(path))
    mark = snapshots.watermark()
    assert mark is not None
    forged = snapshots.find(node.registry)
    assert forged is not None
    forged = type(forged)(*[*forged.__reduce__()[1][:6], forged.state.replace(b"alice", b"mallo")])
    snapshots.store(mark, [forged])
    snapshots.close()
    [fault] = audit(path).faults
    assert fault.what == "the state of a snapshot"


@pytest.mark.parametrize("did", ["an older copy of the log", "another log", "no database"])
async def test_snapshots_of_another_history_are_not_used(
    path: Path, did: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        await chat(node)
        root, events = node.state_root, node.sequence
    if did == "no database":
        snapshots_path(path).write_text("nonsense" * 1000)
    elif did == "another log":
        path.unlink()
        path.with_name(path.name + ".lock").unlink()
        async with Node.open(path, wallet=NODE, new=True, limits=SNAPSHOT_ALL) as node:
            root, events = node.state_root, node.sequence
    else:
        write(path, read(path)[:30])
        assert audit(path).faults
        root, events = replay(path).state_root, 30
    async with Node.open(path, limits=SNAPSHOT_ALL) as node:
        assert node.sequence >= events
        if replay(path).events == events:
            assert node.state_root == root
    assert "everything is replayed" in caplog.text


async def test_where_no_snapshot_can_be_written_processes_leave_all_the_same(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots_path(path).mkdir()
    async with Node.open(path, wallet=NODE, clock=still, limits=FEW_LIVE) as node:
        await chat(node)
        assert live(node) <= FEW_LIVE.live_max + 3
        root = node.state_root
    assert "no snapshots were written" in caplog.text
    assert replay(path).state_root == root


async def test_messages_that_are_not_durable_yet_are_read_too(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        a, _, session = await talking(node)
        sends = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(50)]
        asked = item(ALICE, session, "QueryMessage", {"limit": 1000})
        *_, result = await asyncio.gather(*map(node.send, [*sends, asked]))
        assert [row["content"] for row in result.answer] == [str(number) for number in reversed(range(50))]
    assert (replay(path).unsent, replay(path).events) == (0, node.sequence)
