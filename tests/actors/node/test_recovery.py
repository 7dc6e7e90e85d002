"""What a crash cut short is finished, and nothing is done twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from shutil import copyfile

from actors import Node, replay
from actors.audit.audit import audit
from eventstore import open_log, read_log
from tests.actors.people import ALICE, BOB, NODE, relay, still, talking
from tests.sqlite_file import execute

WRITER = """
import asyncio, sys
from actors import Node
from tests.actors.people import ALICE, NODE, relay, talking

async def main():
    async with Node.open(sys.argv[1], wallet=NODE) as node:
        a, _, session = await talking(node)
        async def user(number):
            for count in range(10**6):
                result = await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"{number}.{count}"}))
                print(result.message_id, flush=True)
        await asyncio.gather(*map(user, range(20)))

asyncio.run(main())
"""


async def test_a_log_cut_off_at_any_place_is_completed_without_doing_anything_twice(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, b, session = await talking(node)
        await node.send(relay(ALICE, a, session, "SendMessage", {"content": "x"}))
        await node.send(relay(BOB, b, session, "SendMessage", {"content": ""}))
        await node.drain()
        events, root = node.sequence, node.state_root
    whole = list(read_log(path).read())
    for kept in range(1, events):
        cut = path.with_name(f"cut{kept}.db")
        copyfile(path, cut)
        execute(cut, "delete from assignments where sequence > ?", [kept])
        unsent = replay(cut).unsent
        async with Node.open(cut, clock=still) as node:
            due = {event.message.id for event in whole if _root(whole, event).sequence <= kept}
            now = [event.message.id for event in read_log(cut).read()]
            assert set(now) == due
            assert len(now) == len(due)
            assert node.sequence >= kept + unsent
        assert replay(cut).unsent == 0
        if {event.message.id for event in whole} == due:
            assert replay(cut).state_root == root


WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


async def test_a_log_whose_write_ahead_log_is_cut_at_any_frame_opens_to_a_prefix(path: Path) -> None:
    wal = path.with_name("world.db-wal")
    async with Node.open(path, wallet=NODE, clock=still) as node:
        a, _, session = await talking(node)
        for number in range(5):
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": str(number)}))
        await node.drain()
        database, frames = path.read_bytes(), wal.read_bytes()  # as a crash would leave them
    whole = [event.message.id for event in read_log(path).read()]
    page_bytes = int.from_bytes(frames[8:12], "big")
    boundaries = range(WAL_HEADER_BYTES, len(frames) + 1, FRAME_HEADER_BYTES + page_bytes)
    kept: list[int] = []
    for number, boundary in enumerate(boundaries):
        cut = path.with_name(f"cut{number}.db")
        cut.write_bytes(database)
        cut.with_name(cut.name + "-wal").write_bytes(frames[:boundary])
        log = open_log(cut)
        found = [event.message.id for event in log.read()]
        log.close()
        assert found == whole[: len(found)]
        kept.append(len(found))
        if found:
            async with Node.open(cut, clock=still):
                pass
            report = audit(cut)
            assert (report.faults, report.unsent) == ([], 0)
    assert kept == sorted(kept)
    assert kept[-1] == len(whole)
    assert len(set(kept)) > 5  # many commits, each all or nothing


def _root(whole: list, event: object) -> object:
    while event.message.parent is not None:
        event = whole[event.message.parent - 1]
    return event


async def test_after_a_kill_everything_acknowledged_is_there_once_and_every_effect_is_completed(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(200)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in writer.stdout.read().splitlines() if len(line.strip()) == 43]
    writer.wait()
    async with Node.open(path) as node:
        root, head = node.state_root, node.log_head
    events = list(read_log(path).read())
    ids = [event.message.id for event in events]
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids)
    sent = [event for event in events if event.message.action == "SendMessage"]
    relayed = [event for event in events if event.message.action == "RelayMessage"]
    notified = [event for event in events if event.message.action == "Notify"]
    assert len(relayed) - 1 == len(sent) == len(notified)  # one relay rotated the key
    replayed = replay(path)
    assert (replayed.unsent, replayed.state_root, replayed.log_head) == (0, root, head)
