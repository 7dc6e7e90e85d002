import asyncio
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pykka
import pytest

from actors import ItemRefused, Limits, Node, NodeClosed, Overloaded, UnknownModule, Wallet, replay
from actors.evaluation import process_table
from actors.node.process_actor import ProcessActor
from actors.processes import MODULES
from eventstore import LogFailed, LogFault, LogInUse, LogUnusable, open_log, read_log
from eventstore.sqlite.log import SqliteLog
from tests.actors.people import ALICE, BOB, EVE, NODE, item, register, relay, still, talking
from tests.sqlite_file import execute


async def test_a_new_log_begins_with_a_registry_that_the_node_signed(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        assert (node.sequence, len(node.registry)) == (1, 43)
        registered = await node.dryrun(node.registry, action="GetHandles", data='{"owner":"x"}')
        assert registered.answer == []
    [genesis] = read_log(path).read()
    assert (genesis.message.sender, genesis.process) == (NODE.address, node.registry)


async def test_without_a_wallet_the_node_makes_a_key_file_beside_the_log(path: Path) -> None:
    async with Node.open(path) as node:
        registry = node.registry
    key = path.with_name("world.db.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert bytes(Wallet.load(key)._key) not in path.read_bytes()
    async with Node.open(path) as node:
        assert node.registry == registry


async def test_a_message_and_all_that_it_causes_are_in_the_log(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        a, b, session = await talking(node)
        before = node.sequence
        result = await node.send(relay(ALICE, a, session, "SendMessage", {"content": "x"}))
        await node.drain()
    relayed, sent, notified = read_log(path).read(after=before)
    assert [event.process for event in (relayed, sent, notified)] == [a, session, b]
    assert [event.message.parent for event in (relayed, sent, notified)] == [None, relayed.sequence, sent.sequence]
    assert (relayed.message.id, relayed.sequence) == (result.message_id, result.sequence)
    assert [message.id for message in result.messages][1:] == [sent.message.id]
    assert result.messages[0].target == ALICE.address  # the reply comes first, and goes to no mailbox
    assert msgspec.json.decode(result.messages[0].data) == result.answer


@pytest.mark.parametrize("kept", [4_096, 0], ids=["from memory", "from the log"])
async def test_the_same_item_is_assigned_once_and_answered_the_same_also_after_reopening(path: Path, kept: int) -> None:
    limits = Limits(recent_results_max=kept, recent_ids_max=kept)
    async with Node.open(path, wallet=NODE, limits=limits) as node:
        a, b, session = await talking(node)
        items = [
            item(EVE, node.registry, "Register", {"handle": "eve", "pubkey": "k"}),
            item(EVE, node.registry, "Register", {"handle": "alice", "pubkey": "k"}),
            relay(ALICE, a, session, "SendMessage", {"content": "x"}),
            item(ALICE, node.registry, "EstablishSession", {"handleA": "alice", "handleB": "eve"}),
            EVE.sign(tags=[("Type", "Process"), ("Module", "mostao.session@3")], data="{}"),
        ]
        results = [await node.send(raw) for raw in items]
        events = node.sequence
        assert [await node.send(raw) for raw in items] == results
        assert await asyncio.gather(*(node.send(items[2]) for _ in range(10))) == [results[2]] * 10
        await node.drain()
        events = node.sequence
        assert [await node.send(raw) for raw in items] == results
        assert node.sequence == events
    async with Node.open(path) as node:
        assert [await node.send(raw) for raw in items] == results
        assert node.sequence == events


async def test_the_same_item_sent_many_times_at_once_is_assigned_once(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        raw = item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        results = await asyncio.gather(*(node.send(raw) for _ in range(50)))
        assert len({result.sequence for result in results}) == 1
        await node.drain()
        assert node.sequence == 3


def flipped(raw: bytes, place: int) -> bytes:
    changed = bytearray(raw)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("spoil", "because"),
    [
        (lambda raw: flipped(raw, -1), "the signature does not match"),
        (lambda raw: raw.replace(b"Register", b"Renounce"), "the signature does not match"),
        (lambda raw: flipped(raw, 5), "the signature does not match"),
        (lambda raw: raw[:90], "truncated"),
        (lambda raw: raw + b" ", "the signature does not match"),
        (lambda _: ALICE.sign(target="A" * 43, action="Register"), "there is no process"),
        (lambda _: ALICE.sign(action="Register"), "has no target"),
        (lambda _: ALICE.sign(tags=[("Type", "Process"), ("Module", "other@1")]), "there is no module 'other@1'"),
        (lambda _: ALICE.sign(target="A" * 43, data=bytes(200_000)), "at most 102,400"),
        (lambda _: b"", "empty"),
    ],
)
async def test_what_is_not_genuine_is_refused_with_the_reason_and_leaves_nothing(
    path: Path, spoil: Callable[[bytes], bytes], because: str
) -> None:
    async with Node.open(path, wallet=NODE) as node:
        head = node.log_head
        with pytest.raises(ItemRefused, match=because):
            await node.send(spoil(item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"})))
        assert (node.sequence, node.log_head) == (1, head)


async def test_a_forged_copy_does_not_take_the_place_of_the_genuine_item(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        raw = item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        forged, genuine = await asyncio.gather(node.send(flipped(raw, -1)), node.send(raw), return_exceptions=True)
        assert isinstance(forged, ItemRefused)
        assert genuine.answer["status"] == "success"
        with pytest.raises(ItemRefused):
            await node.send(flipped(raw, -1))


async def test_a_message_that_cannot_be_understood_is_in_the_log_with_its_error(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        pid = await register(node, ALICE, "alice")
        for action, body in (("Register", "{"), ("Dance", "{}"), ("Register", "{}"), ("Register", '{"handle":5}')):
            result = await node.send(item(EVE, node.registry, action, body))
            assert result.answer == {"status": "error", "message": result.error}
        assert (await node.send(item(ALICE, pid, "GetProfile"))).answer == {"pubkey": "k"}
    errors = [event.error for event in read_log(path).read() if event.error]
    assert [error.split(":")[0] for error in errors] == [
        "the data is not valid JSON",
        (
            "mostao.registry@3 knows no action 'Dance'; it knows CreateGroup, EstablishSession, GetDomains, GetHandles,"
            " GroupJoined, JoinGroup, QueryDomain,"
            " QueryHandle, QuerySession, Register, Renounce"
        ),
        "the field 'handle' or 'name' is missing",
        "the field 'handle' has to be a text that is not empty",
    ]


async def test_a_process_that_could_not_be_started_answers_so(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        spawned = await node.send(ALICE.sign(tags=[("Type", "Process"), ("Module", "mostao.session@3")], data="{}"))
        assert spawned.error == "the process was not started: the field 'a' is missing"
        answer = await node.send(item(ALICE, spawned.message_id, "GetCurrentKeys"))
        assert answer.error == "the process was not started"
        root = node.state_root
    assert replay(path).state_root == root


class Gate:
    """Holds commits back until the test lets them pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Semaphore(0)
        self.open = threading.Semaphore(0)
        self.batches: list[int] = []
        self.error: LogFailed | None = None
        append = SqliteLog.append

        def gated(log: SqliteLog, batch: list, *, expected: int, epoch: int) -> object:
            self.reached.release()
            self.open.acquire()
            if self.error:
                raise self.error
            self.batches.append(len(batch))
            return append(log, batch, expected=expected, epoch=epoch)

        monkeypatch.setattr(SqliteLog, "append", gated)

    async def wait_until_reached(self) -> None:
        await asyncio.to_thread(self.reached.acquire)


async def test_a_reply_is_released_only_after_its_batch_is_durable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node.open(path, wallet=NODE) as node:
        gate = Gate(monkeypatch)
        sending = asyncio.ensure_future(register(node, ALICE, "alice"))
        await gate.wait_until_reached()
        assert not sending.done()
        # what a query sees may hang on what is not durable yet, so its answer waits too
        asking = asyncio.ensure_future(node.dryrun(node.registry, action="QueryHandle", data='{"handle":"alice"}'))
        await asyncio.sleep(0)
        assert not asking.done()
        gate.open.release(10)
        pid = await sending
        assert (await asking).answer["pid"] == pid


async def test_while_one_batch_is_made_durable_the_next_one_fills(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Node.open(path, wallet=NODE) as node:
        gate = Gate(monkeypatch)
        first = asyncio.ensure_future(register(node, ALICE, "alice"))
        await gate.wait_until_reached()
        more = [asyncio.ensure_future(register(node, BOB, f"bob{number}")) for number in range(20)]
        while node.sequence < 1 + 2 * 21:
            await asyncio.sleep(0)
        gate.open.release(10)
        await asyncio.gather(first, *more)
        await node.drain()
        assert sum(gate.batches) == 42
        assert len(gate.batches) <= 3


async def test_when_the_disk_refuses_whoever_waits_hears_it_and_nothing_more_is_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Node.open(path, wallet=NODE) as node:
        pid = await register(node, ALICE, "alice")
        await node.drain()
        gate = Gate(monkeypatch)
        gate.error = LogFailed("the disk is full")
        gate.open.release(100)
        with pytest.raises(LogFailed, match="the disk is full"):
            await node.send(item(ALICE, pid, "ProfileUpdate", {"bio": "lost"}))
        with pytest.raises(LogFailed):
            await node.send(item(ALICE, pid, "ProfileUpdate", {"bio": "lost too"}))
        with pytest.raises(LogFailed):
            await node.dryrun(pid, action="GetProfile")
    monkeypatch.undo()
    async with Node.open(path) as node:
        assert (await node.dryrun(pid, action="GetProfile")).answer == {"pubkey": "k"}


async def test_every_live_process_is_an_actor_that_pykka_sees_started_at_its_first_message(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        a, b, session = await talking(node)
        assert len(pykka.ActorRegistry.get_by_class(ProcessActor)) == 4
    assert pykka.ActorRegistry.get_all() == []
    async with Node.open(path) as node:
        assert pykka.ActorRegistry.get_by_class(ProcessActor) == []
        await node.dryrun(session, action="GetCurrentKeys")
        assert len(pykka.ActorRegistry.get_by_class(ProcessActor)) == 1


async def test_a_dryrun_appends_nothing_and_may_name_any_sender(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        a, b, session = await talking(node)
        events, root = node.sequence, node.state_root
        result = await node.dryrun(session, action="SendMessage", data='{"content":"x"}', sender=a)
        assert (result.answer, result.sequence) == ({"status": "success", "id": 1}, 0)
        assert [(message.target, message.action) for message in result.messages] == [(a, "Reply"), (b, "Notify")]
        refused = await node.dryrun(session, action="SendMessage", data='{"content":"x"}', sender=ALICE.address)
        assert refused.error == "only the two handles of this session can do that"
        assert (node.sequence, node.state_root) == (events, root)
        with pytest.raises(ItemRefused, match="there is no process 'x'"):
            await node.dryrun("x", action="GetProfile")


async def test_more_messages_than_can_wait_are_refused_and_told_to_try_again(path: Path) -> None:
    async with Node.open(path, wallet=NODE, limits=Limits(waiting_max=5)) as node:
        items = [item(ALICE, node.registry, "GetHandles", {"owner": "x"}) for _ in range(8)]
        results = await asyncio.gather(*(node.send(raw) for raw in items), return_exceptions=True)
        assert [type(result) for result in results[5:]] == [Overloaded] * 3
        assert not any(isinstance(result, Exception) for result in results[:5])
        assert (await node.send(items[7])).answer == []


async def test_whoever_gives_up_waiting_takes_nothing_with_it(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        raw = item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        giving_up = asyncio.ensure_future(node.send(raw))
        await asyncio.sleep(0)
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)
        assert (await node.send(raw)).answer["status"] == "success"


async def test_a_message_whose_sender_went_away_too_early_is_answered_when_it_is_sent_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Node.open(path, wallet=NODE) as node:
        gate = Gate(monkeypatch)
        raw = item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"})
        giving_up = asyncio.ensure_future(node.send(raw))
        await gate.wait_until_reached()  # it is assigned, and on its way to the disk
        waiting = asyncio.ensure_future(node.send(raw))
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)
        gate.open.release(10)
        result = await waiting
        assert result.answer["status"] == "success"
        assert await node.send(raw) == result
        assert node.sequence == 3


async def test_time_is_the_nodes_and_a_timestamp_tag_forges_nothing(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still) as node:
        raw = ALICE.sign(target=node.registry, action="GetHandles", data='{"owner":"x"}', tags=[("Timestamp", "1")])
        sequence = (await node.send(raw)).sequence
    [event] = read_log(path).read(after=sequence - 1)
    assert event.timestamp == still()


async def test_two_nodes_do_not_open_one_log(path: Path) -> None:
    async with Node.open(path, wallet=NODE):
        with pytest.raises(LogInUse, match="is being written by process"):
            async with Node.open(path):
                pass


async def test_a_closed_node_says_so(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        raw = item(ALICE, node.registry, "GetHandles", {"owner": "x"})
    with pytest.raises(NodeClosed):
        await node.send(raw)


async def test_a_log_that_was_changed_is_not_opened_and_the_fault_is_named(path: Path) -> None:
    async with Node.open(path, wallet=NODE) as node:
        await talking(node)
    execute(path, "update assignments set data = replace(data, 'alice', 'mallo') where sequence = 2")
    with pytest.raises(LogFault, match=r"sequence 2, .*: log chain"):
        async with Node.open(path):
            pass
    open_log(path).close()  # and the lock was let go


async def test_a_log_that_needs_a_module_that_is_not_there_is_refused_by_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Node.open(path, wallet=NODE) as node:
        await register(node, ALICE, "alice")
    others = {name: kind for name, kind in MODULES.items() if name != "mostao.handle@2"}
    monkeypatch.setattr(process_table, "MODULES", others)
    with pytest.raises(UnknownModule, match=r"mostao\.handle@1"):
        replay(path)


async def test_what_was_acknowledged_is_found_while_somebody_else_still_reads(path: Path) -> None:
    reading, done = threading.Event(), threading.Event()

    def read_slowly(log: SqliteLog) -> int:
        rows = log._connection.execute("select 1 from assignments union all select 2 from assignments")
        rows.fetchone()
        reading.set()
        done.wait()
        return 1 + len(rows.fetchall())

    async with Node.open(path, wallet=NODE, clock=still) as node:
        slow = asyncio.create_task(node.read(read_slowly))
        await asyncio.to_thread(reading.wait)
        result = await node.send(item(ALICE, node.registry, "Register", {"handle": "alice", "pubkey": "k"}))
        found = await node.outcome(result.message_id)
        assert found is not None
        assert found[1] == result
        done.set()
        assert await slow == 2  # it sees the log as it was when it began


async def test_a_history_that_cannot_be_read_refuses_its_message_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(snapshot_slots_min=1, snapshot_log_events_min=1)
    async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
        await register(node, ALICE, "alice")
    items = [item(ALICE, node.registry, "QueryHandle", {"handle": str(number)}) for number in range(5)]
    process_head, calls = SqliteLog.process_head, []

    def unreadable_once(log: SqliteLog, process: str, *, until: int) -> object:
        calls.append(process)
        if len(calls) == 1:
            raise LogUnusable("disk I/O error")
        return process_head(log, process, until=until)

    async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
        monkeypatch.setattr(SqliteLog, "process_head", unreadable_once)
        first, *others = await asyncio.gather(*map(node.send, items), return_exceptions=True)
        assert isinstance(first, LogUnusable)
        assert not any(isinstance(other, BaseException) for other in others)
        assert (await node.send(items[0])).answer["registered"] is False
        assert node.load().waiting == 0


async def test_draining_while_a_flooded_process_rests_and_items_still_come(path: Path) -> None:
    limits = Limits(fifo_max=4, process_turns_max=2, round_turns_max=4)
    async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
        sends = []
        for number in range(60):
            sends.append(node.submit(item(ALICE, node.registry, "QueryHandle", {"handle": str(number)})))
            if number % 7 == 0:
                await asyncio.sleep(0)
                sends.append(asyncio.ensure_future(node.drain()))
        await asyncio.wait_for(asyncio.gather(*sends), timeout=60)


async def test_an_observer_that_raises_delays_no_result(path: Path) -> None:
    def observe(events: int, seconds: float) -> None:
        raise ValueError("an observer")

    async with Node.open(path, wallet=NODE, clock=still) as node:
        node.on_commit(observe)
        assert await register(node, ALICE, "alice")


async def test_a_node_that_cannot_close_in_order_lets_go_of_its_log(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(log: SqliteLog) -> None:
        raise OSError("disk I/O error")

    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            await register(node, ALICE, "alice")
            patched.setattr(SqliteLog, "tree", broken)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk I/O error"):
        await live()
    async with Node.open(path) as node:
        assert node.sequence == 3
