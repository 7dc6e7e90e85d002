"""Processes that nobody writes to cost no memory, and nobody can tell."""

import asyncio
import logging
from pathlib import Path

import pytest

from actors import Node, replay
from actors.audit.audit import audit
from actors.node import passivation
from eventstore.sqlite.snapshots import Snapshots, snapshots_path
from tests.actors.audit.forger import forget_checkpoints, read, write
from tests.actors.people import ALICE, BOB, NODE, item, register, relay, still, talking

MAX_LIVE = 4


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots of everything, also of a short log."""
    monkeypatch.setattr(passivation, "SLOTS_MIN", 1)
    monkeypatch.setattr(passivation, "EVENTS_MIN", 1)


async def chat(node: Node, count: int = 5) -> str:
    a, b, session = await talking(node)
    for number in range(count):
        await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"a{number}"}))
        await node.send(relay(BOB, b, session, "SendMessage", {"content": f"b{number}"}))
        await register(node, ALICE, f"alice-{number}")
    await node.drain()
    return session


def live(node: Node) -> int:
    return len(node._world.entries)


async def test_no_more_processes_live_than_may_and_all_states_are_as_if_they_did(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still, max_live=MAX_LIVE) as node:
        most = 0
        a, b, session = await talking(node)
        for number in range(20):
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": str(number)}))
            await register(node, BOB, f"bob-{number}")
            most = max(most, live(node))
        await node.drain()
        assert most <= MAX_LIVE + 3  # what one message reaches is let in whole
        assert len(node._conductor.live.actors) + len(node._conductor.live.spare) <= MAX_LIVE + 4
        root, count = node.state_root, len(list(node._world._every()))
        assert count == 24
        answer = (await node.dryrun(session, action="QueryMessage")).answer
        assert [row["content"] for row in answer] == [str(number) for number in reversed(range(20))]
    replayed = replay(path)
    assert (replayed.state_root, len(replayed.world.entries)) == (root, count)
    assert (audit(path).faults, audit(path).snapshots > 10) == ([], True)


async def test_snapshots_are_written_with_rests_which_end_when_somebody_waits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passivation, "MARK_EVENTS", 1)
    monkeypatch.setattr(passivation, "_REST", 10**9)  # nobody would see the end of it
    async with Node.open(path, wallet=NODE, clock=still, max_live=100) as node:
        await chat(node)
        assert node._passivation._running is not None
        while live(node) <= 100:
            await register(node, BOB, f"bob-{live(node)}")
        for name in ("eve", "mallory", "carol"):  # there has to be room first
            await register(node, BOB, name)
        assert node._passivation._running is not None
        root = node.state_root
    async with Node.open(path, wallet=NODE, clock=still) as node:  # it was closed, with all that lives written
        assert live(node) < 5
        assert node.state_root == root


async def test_a_process_that_is_idle_leaves_and_comes_back_as_it_was(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        session = await chat(node)
        root = node.state_root
        for _ in range(4):
            node._passivation.sweep()
        await node._passivation.done()
        assert live(node) > 0  # four quarters have passed since the first look after the last message: not yet
        node._passivation.sweep()
        await node._passivation.done()
        assert live(node) == 0
        assert node._sequencer.processes == {}
        assert node.state_root == root
        answer = (await node.dryrun(session, action="QueryMessage", data='{"limit":1}')).answer
        assert answer[0]["content"] == "b4"
        await register(node, BOB, "carol")
        assert (await node.dryrun(node.registry, action="QueryHandle", data='{"handle":"carol"}')).answer["registered"]


async def test_a_node_looks_by_itself_who_is_idle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    monkeypatch.setattr(passivation.Passivation, "sweep", lambda _: looked.set())
    async with Node.open(path, wallet=NODE, clock=still, idle_s=0.01):
        await looked.wait()


async def test_a_node_opens_from_its_snapshots_without_replaying(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await chat(node)
        root, events = node.state_root, node.sequence
    caplog.set_level(logging.INFO, logger="mostao")
    async with Node.open(path) as node:
        assert (live(node), node.state_root, node.sequence) == (0, root, events)
    [opened] = [record.msg for record in caplog.records if record.msg["event"] == "opened"]
    assert opened["replayed"] == 0


async def test_a_node_that_was_killed_replays_from_its_last_snapshots(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await chat(node)
        events = node.sequence
    kept = snapshots_path(path).read_bytes()
    async with Node.open(path) as node:
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
        async with Node.open(path) as node:
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
    "changes a hash": "update snapshots set hash = zeroblob(32)",
    "writes nonsense": "update snapshots set state = 'nonsense', slot = 'x'",
    "swaps two processes": "update snapshots set process = 'x' || process",
}


@pytest.mark.parametrize("did", DOCTORED)
async def test_a_snapshot_that_does_not_match_its_hash_is_refused_and_its_process_replayed(
    path: Path, did: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await chat(node)
        root = node.state_root
    snapshots = Snapshots.open(snapshots_path(path))
    snapshots._connection.execute(DOCTORED[did])
    snapshots.close()
    assert audit(path).faults
    async with Node.open(path) as node:
        assert node.state_root == root
    if did != "swaps two processes":
        assert "a snapshot was refused" in caplog.text


async def test_a_forger_who_makes_the_hash_right_again_is_found_by_the_audit(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await chat(node)
    snapshots = Snapshots.open(snapshots_path(path))
    mark = snapshots.mark()
    assert mark is not None
    forged = snapshots.find(node.registry)
    assert forged is not None
    forged = type(forged)(*[*forged.__reduce__()[1][:6], forged.state.replace(b"alice", b"mallo")]).hashed()
    snapshots.keep(mark, [forged])
    snapshots.close()
    [fault] = audit(path).faults
    assert fault.what == "the state of a snapshot"


@pytest.mark.parametrize("did", ["an older copy of the log", "another log", "no database"])
async def test_snapshots_of_another_history_are_not_used(
    path: Path, did: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        await chat(node)
        root, events = node.state_root, node.sequence
    if did == "no database":
        snapshots_path(path).write_text("nonsense" * 1000)
    elif did == "another log":
        path.unlink()
        async with Node.open(path, wallet=NODE, new=True) as node:
            root, events = node.state_root, node.sequence
    else:
        write(path, read(path)[:30])
        assert audit(path).faults
        root, events = replay(path).state_root, 30
    async with Node.open(path) as node:
        assert node.sequence >= events
        if replay(path).events == events:
            assert node.state_root == root
    assert "everything is replayed" in caplog.text


async def test_where_no_snapshot_can_be_written_processes_leave_all_the_same(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots_path(path).mkdir()
    async with Node.open(path, wallet=NODE, clock=still, max_live=MAX_LIVE) as node:
        await chat(node)
        assert live(node) <= MAX_LIVE + 3
        root = node.state_root
    assert "no snapshots were written" in caplog.text
    assert replay(path).state_root == root


async def test_messages_that_are_not_durable_yet_are_read_too(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, _, session = await talking(node)
        sends = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(50)]
        asked = item(ALICE, session, "QueryMessage", {"limit": 1000})
        *_, result = await asyncio.gather(*map(node.send, [*sends, asked]))
        assert [row["content"] for row in result.answer] == [str(number) for number in reversed(range(50))]
    assert (replay(path).unsent, replay(path).events) == (0, node.sequence)
