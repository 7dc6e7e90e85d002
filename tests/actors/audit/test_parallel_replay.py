"""A log that several follow, each a share of its processes, comes to what one comes to who follows it in order."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from shutil import copyfile

import pytest

from actors import Limits, Node, replay
from actors.audit.audit import audit
from actors.audit.parallel_replay import ParallelResult, replay_partitions
from actors.audit.replay import Earlier
from actors.audit.report import Audit
from eventstore import Assignment, read_log
from eventstore.replay.partitioned import Partition
from tests.actors.audit.forger import changed, forget_checkpoints, place, read, relinked, write
from tests.actors.audit.in_process import run_in_this_process
from tests.actors.people import ALICE, BOB, EVE, NODE, item, register, relay, still, talking


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who talk at once, refusals, and a snapshot of every process on the way."""
    path = tmp_path_factory.mktemp("shares") / "world.db"
    limits = Limits(snapshot_slots_min=1, snapshot_log_events_min=1, snapshot_events=1)

    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
            a, b, session = await talking(node)
            sends = [relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(6)]
            sends += [relay(BOB, b, session, "SendMessage", {"content": str(number)}) for number in range(6)]
            await asyncio.gather(*map(node.send, sends))
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": ""}))
            await register(node, EVE, "eve")
            await node.send(item(EVE, a, "GetProfile"))
            await node.send(item(EVE, a, "ProfileUpdate", {"bio": "mine"}))

    asyncio.run(live())
    return path


def followed(path: Path, events: int, *, shares: int, audited: bool = True) -> ParallelResult | None:
    log = read_log(path)
    try:
        return replay_partitions(
            log, events, partitions=shares, audited=audited, signatures=audited, run=run_in_this_process
        )
    finally:
        log.close()


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_up_to_every_event_the_shares_come_to_what_a_replay_in_order_does(world: Path, shares: int) -> None:
    rows = read(world)
    for events in range(1, len(rows) + 1):
        whole = followed(world, events, shares=shares, audited=False)
        in_order = replay(world, at=events)
        assert whole is not None
        assert (whole.state_root, whole.processes, len(whole.pending_outbox)) == (
            in_order.state_root,
            in_order.processes,
            in_order.unsent,
        )


def untimed(report: Audit) -> Audit:
    return changed(report, integrity_s=0.0)


def test_an_honest_log_is_not_followed_twice(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_order = audit(world, jobs=1)
    monkeypatch.setattr("actors.audit.audit._sequential", None)
    assert untimed(audit(world, jobs=2, run=run_in_this_process)) == untimed(in_order)
    assert in_order.snapshots > 0


def test_every_cut_of_a_log_has_the_tail_that_a_replay_in_order_finds(world: Path, path: Path) -> None:
    rows = read(world)
    for events in range(place(rows, "RelayMessage"), len(rows)):
        copyfile(world, path)
        write(path, rows[:events])
        forget_checkpoints(path)
        in_order = untimed(audit(path, jobs=1))
        in_shares = untimed(audit(path, jobs=2, run=run_in_this_process))
        assert (in_order.faults, in_shares) == ([], in_order)


def test_a_state_is_found_although_nobody_holds_it(world: Path) -> None:
    in_order = replay(world, jobs=1)
    in_shares = replay(world, jobs=2, run=run_in_this_process)
    assert not in_shares.process_table.entries
    alice = in_order.find("@alice")
    assert alice is not None
    assert in_shares.find("@alice") == alice
    assert in_shares.find("@nobody") is None
    assert in_shares.find("n" * 43) is None
    assert in_shares.state(alice) == in_order.state(alice)
    assert (in_shares.state_root, in_shares.log_head) == (in_order.state_root, in_order.log_head)
    earlier = Earlier(5)
    assert replay(world, earlier=earlier, jobs=2).state_root == in_order.state_root


def test_an_outbox_in_another_order_is_not_sound(world: Path, path: Path) -> None:
    rows = read(world)
    first = next(
        number
        for number, (one, other) in enumerate(pairwise(rows))
        if one.message.parent is not None and one.message.parent == other.message.parent
    )
    rows[first : first + 2] = [rows[first + 1], rows[first]]
    copyfile(world, path)
    write(path, relinked(rows))
    for shares in (1, 2, 3):
        assert followed(path, len(rows), shares=shares, audited=False) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda row: [changed(row, message=changed(row.message, data=row.message.data + b" "))],
        lambda row: [changed(row, message=changed(row.message, id=row.message.id[::-1]))],
        lambda row: [],
        lambda row: [row, row],
    ],
    ids=["altered", "under another id", "withheld", "twice"],
)
def test_no_message_between_processes_can_be_forged_whoever_shares_them(
    world: Path, path: Path, forge: Callable[[Assignment], list[Assignment]]
) -> None:
    rows = read(world)
    inside = [number for number, row in enumerate(rows) if row.message.parent is not None]
    assert len(inside) > 20
    for number in inside:
        copyfile(world, path)
        write(path, relinked([*rows[:number], *forge(rows[number]), *rows[number + 1 :]]))
        for shares in (1, 2, 3):
            assert followed(path, len(rows), shares=shares, audited=False) is None


def test_every_process_is_in_exactly_one_share(world: Path) -> None:
    log = read_log(world)
    everything = [row.sequence for row in log.read()]
    for shares in range(1, 6):
        cut = Partition.split(log.sample(10, until=len(everything)), shares)
        parts = [list(log.read_partition(share, until=2**62)) for share in cut]
        assert sorted(row.sequence for part in parts for *_, row in part) == everything
        for share, part in zip(cut, parts, strict=True):
            assert all(share.contains(row.process) for *_, row in part)
    log.close()
