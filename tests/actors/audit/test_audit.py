"""A forger changes a log, and the audit answers. What the forger did is each case's name."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from actors import Limits, Node, Wallet, replay
from actors.ans104.item import parse
from actors.audit.audit import audit as audit_log
from actors.audit.report import Audit
from actors.evidence.checkpoints import Checkpoint, parse_note, sign
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import sent_id
from eventstore import LogFault, Message, read_log
from eventstore.records import encode_id
from tests.actors.audit.forger import (
    Rows,
    changed,
    drop,
    edit,
    forget_checkpoints,
    invent,
    move,
    place,
    read,
    relinked,
    repeat,
    swap,
    write,
)
from tests.actors.audit.in_process import run_in_this_process
from tests.actors.people import ALICE, BOB, EVE, NODE, item, register, relay, still, talking
from tests.sqlite_file import execute, loose

OTHER = "B" * 42 + "A"


audit = partial(audit_log, jobs=3, run=run_in_this_process)
"""Every audit here replays the log in partitions first, and sequentially if that finds it invalid.

So a fault that either of them misses is missed here.
"""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("honest") / "world.db"

    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            a, b, session = await talking(node)
            await register(node, EVE, "eve")
            await node.send(item(ALICE, a, "ProfileUpdate", {"bio": "here"}))
            for number in range(3):
                await node.send(relay(ALICE, a, session, "SendMessage", {"content": f"a{number}"}))
                await node.drain()
                await node.send(relay(BOB, b, session, "SendMessage", {"content": f"b{number}"}))
                await node.drain()
            await node.send(relay(ALICE, a, session, "SendMessage", {"content": ""}))
            await node.send(item(EVE, node.registry, "Register", {"handle": "alice"}))
            await node.send(item(EVE, a, "GetProfile"))

    asyncio.run(live())
    return path


@pytest.fixture
def forged(honest: Path, path: Path) -> Path:
    copyfile(honest, path)
    return path


def test_an_honest_log_has_no_fault_and_everything_is_counted(honest: Path) -> None:
    report = audit(honest, all_faults=True)
    rows = read(honest)
    outside = sum(row.message.envelope is not None for row in rows)
    assert report == Audit(
        events=len(rows),
        signatures=outside,
        inside=len(rows) - outside,
        spawns=5,
        refusals=2,
        checkpoints=1,
        integrity_s=report.integrity_s,
        log_head=rows[-1].log_chain.hex(),
        state_root=report.state_root,
    )


def test_a_tail_that_a_crash_cut_off_is_no_fault_and_is_named(forged: Path) -> None:
    rows = read(forged)
    write(forged, rows[: place(rows, "SendMessage") + 1])
    forget_checkpoints(forged)  # a node that is killed signs none
    report = audit(forged)
    notify = rows[place(rows, "SendMessage") + 1].message
    assert (report.faults, report.unsent) == ([], 1)
    assert report.tail == [
        f"Notify {notify.id} of {notify.sender} to {notify.target} caused by {place(rows, 'SendMessage') + 1}"
    ]


# Without making anything right again: any column of any row.
EDITS = [
    (action, change)
    for action in ("", "Register", "Spawn", "RelayMessage", "SendMessage", "Notify", "Reply", "GetProfile")
    for change in (
        "sequence = sequence + 1000",
        f"process = '{OTHER}'",
        "slot = slot + 1",
        "timestamp = timestamp + 1",
        "timestamp = timestamp - 1",
        f"message_id = '{OTHER}'",
        f"sender = '{OTHER}'",
        "action = 'Nothing'",
        "parent = 1",
        "tags = '[]'",
        "data = 'changed'",
        f"anchor = '{OTHER}'",
        "envelope = x'00'",
        "process_chain = zeroblob(32)",
        "log_chain = zeroblob(32)",
        "output = 'changed'",
        "error = 'changed'",
        "spawn = spawn - 1",
    )
]


@pytest.mark.parametrize(("action", "change"), EDITS, ids=lambda value: value)
def test_no_column_of_any_row_can_be_changed(forged: Path, action: str, change: str) -> None:
    where = "sequence = (select sequence from assignments where action = ? limit 1)"
    sequence = execute(forged, "select sequence from assignments where action = ?", [action])[0][0]
    with loose(forged):
        execute(forged, f"update assignments set {change} where {where}", [action])
    [fault] = audit(forged).faults
    assert fault.sequence in (sequence, sequence + 1, sequence + 1000)


def signed_by_eve(rows: Rows, body: dict[str, Any]) -> Message:
    """A message that Eve signed herself, for a process of Alice's."""
    raw = EVE.sign(target=rows[place(rows, "ProfileUpdate")].process, action="ProfileUpdate", data=encode(body))
    read_item = parse(raw)
    return Message(
        read_item.id,
        read_item.sender,
        read_item.target,
        "ProfileUpdate",
        encode(read_item.tags),
        read_item.data,
        "",
        None,
        read_item.envelope,
    )


def as_alice(rows: Rows) -> Message:
    return changed(signed_by_eve(rows, {"bio": "mine"}), sender=ALICE.address)


def notification(rows: Rows) -> Message:
    """A notification that no session sent."""
    real = rows[place(rows, "Notify")].message
    return changed(real, id=encode_id(sha256(b"invented").digest()))


def well_derived(rows: Rows) -> Message:
    """A second notification, with the id that it would have."""
    real = rows[place(rows, "Notify")].message
    parent = rows[place(rows, "SendMessage")].message
    return changed(real, id=sent_id(parent.id, 2))


def orphan(rows: Rows) -> Message:
    return changed(notification(rows), parent=None, envelope=None)


NOT_NEXT = "not the next message that was sent"
NOT_SENT = "a message that no evaluation sent"
NO_ITEM = "no signed item: "

# The forger recomputes sequences, slots and both chains, so that only the history itself can speak.
RECOMPUTED: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "changes what somebody signed": (edit("ProfileUpdate", data=b'{"bio":"gone"}'), "signature"),
    "changes a session's message": (
        edit("SendMessage", data=b'{"content":"forged"}'),
        NOT_NEXT,
    ),
    "changes a notification's time": (
        edit("Notify", data=b'{"lastMessageTime":1.0}'),
        NOT_NEXT,
    ),
    "changes who sent from outside": (edit("ProfileUpdate", sender=OTHER), "sender is not what was signed"),
    "changes which process sent": (edit("Notify", sender=OTHER), NOT_NEXT),
    "changes an outside action": (edit("GetProfile", action="GetEnv"), "action is not what was signed"),
    "changes an inside action": (edit("SendMessage", action="QueryMessage"), NOT_NEXT),
    "changes outside tags": (edit("GetProfile", tags='[["Action","GetEnv"]]'), "tags is not what was signed"),
    "changes inside tags": (
        edit("Notify", tags='[["Action","Notify"],["x","y"]]'),
        NOT_NEXT,
    ),
    "makes tags nonsense": (edit("GetProfile", tags="nonsense"), "tags is not what was signed"),
    "changes an outside anchor": (edit("GetProfile", anchor=OTHER), "anchor is not what was signed"),
    "gives an inside message an anchor": (edit("Notify", anchor=OTHER), NOT_NEXT),
    "changes an outside id": (edit("GetProfile", id=OTHER), "message_id is not what was signed"),
    "changes an inside id": (edit("Notify", id=OTHER), NOT_NEXT),
    "moves an outside message to another process": (edit("GetProfile", target=OTHER), "process is not what was signed"),
    "moves a notification to another process": (edit("Notify", target=OTHER), NOT_NEXT),
    "gives an outside message a parent": (edit("GetProfile", parent=1), "parent is not what was signed"),
    "takes a notification's parent away": (edit("Notify", parent=None), "neither a parent nor an envelope"),
    "names another parent": (edit("Notify", parent=2), NOT_NEXT),
    "takes an envelope away": (edit("GetProfile", envelope=None), "neither a parent nor an envelope"),
    "gives an inside message an envelope": (
        edit("Notify", envelope=b"signed"),
        NO_ITEM,
    ),
    "empties an envelope": (edit("GetProfile", envelope=b""), NO_ITEM),
    "cuts an envelope": (
        edit("GetProfile", envelope=lambda raw: raw[:-5]),
        NO_ITEM,
    ),
    "changes a bit of a signature": (
        edit("GetProfile", envelope=lambda raw: raw[:20] + bytes([raw[20] ^ 1]) + raw[21:]),
        "message_id is not what was signed",
    ),
    "changes the signer's key": (
        edit("GetProfile", envelope=lambda raw: raw[:70] + bytes([raw[70] ^ 1]) + raw[71:]),
        "sender is not what was signed",
    ),
    "drops a registration": (drop("Register"), NOT_SENT),
    "drops the first process": (drop(""), "slot of a process's first message is not what was signed"),
    "drops a spawn": (drop("Spawn"), "a message is missing before it"),
    "drops a relay": (drop("RelayMessage", 1), NOT_SENT),
    "drops a session's message": (drop("SendMessage"), NOT_NEXT),
    "drops a notification": (drop("Notify"), "a message is missing before it"),
    "drops a refusal's reply": (drop("Reply"), "a message is missing before it"),
    "drops a chat list entry": (drop("UpdateChatList"), NOT_NEXT),
    "drops a key rotation": (drop("RotateSessionKey"), "a message is missing before it"),
    "repeats an outside message": (repeat("ProfileUpdate"), "a message that was assigned twice"),
    "repeats a relay": (repeat("RelayMessage"), "a message that was assigned twice"),
    "repeats a notification": (repeat("Notify"), NOT_SENT),
    "repeats a session's message": (repeat("SendMessage"), NOT_NEXT),
    "repeats a spawn": (repeat("Spawn"), NOT_SENT),
    "swaps a message and its notification": (swap("SendMessage", "Notify"), NOT_NEXT),
    "swaps a relay and its message": (swap("RelayMessage", "RotateSessionKey"), NOT_SENT),
    "swaps two chat list entries": (
        lambda rows: move("UpdateChatList", place(rows, "UpdateChatList") + 1)(rows),
        NOT_NEXT,
    ),
    "moves a notification to the end": (lambda rows: move("Notify", len(rows))(rows), "a message is missing before it"),
    "moves a relay before its session": (move("RelayMessage", 3), "output"),
    "moves a refused attempt to where it would have been granted": (
        lambda rows: [rows[0], *[r for r in rows if r.error and "taken" in r.error], *rows[1:-2], rows[-1]],
        "output",
    ),
    "invents a notification": (invent(notification, "SendMessage"), NOT_NEXT),
    "invents a notification with a well derived id": (
        invent(well_derived, "Notify"),
        NOT_SENT,
    ),
    "invents a message without sender": (invent(orphan, "Notify"), "neither a parent nor an envelope"),
    "writes in another's name": (invent(as_alice, "ProfileUpdate"), "sender is not what was signed"),
    "adds an own message with a false answer": (
        invent(lambda rows: signed_by_eve(rows, {"bio": "x"}), "ProfileUpdate"),
        "output",
    ),
}


@pytest.mark.parametrize("did", RECOMPUTED)
def test_no_history_can_be_rewritten_even_by_one_who_recomputes_the_chains(forged: Path, did: str) -> None:
    forge, answer = RECOMPUTED[did]
    write(forged, relinked(forge(read(forged))))
    [fault] = audit(forged).faults
    assert fault.what.startswith(answer), did


@pytest.mark.parametrize(
    ("did", "column", "value"),
    [
        ("claims a success", "error", None),
        ("claims a refusal", "error", "refused"),
        ("changes an answer", "output", '{"status":"success"}'),
        ("takes an answer away", "output", None),
    ],
)
@pytest.mark.parametrize("number", [-1, 0])
def test_no_answer_can_be_changed(forged: Path, did: str, column: str, value: Any, number: int) -> None:
    rows = read(forged)
    index = place(rows, "Register", number)
    if getattr(rows[index], column) == value:
        return
    rows[index] = changed(rows[index], **{column: value})
    write(forged, rows)
    [fault] = audit(forged).faults
    assert (fault.sequence, fault.what) == (rows[index].sequence, column)


@pytest.mark.parametrize("given", ["in the log", "kept elsewhere"])
@pytest.mark.parametrize("did", ["drops the newest event", "drops the newest ten", "puts an older copy in its place"])
def test_a_log_that_was_cut_short_is_found_by_a_checkpoint(forged: Path, did: str, given: str) -> None:
    kept = read_log(forged).checkpoints()
    rows = read(forged)
    write(forged, rows[: {"drops the newest event": -1, "drops the newest ten": -10}.get(did, 20)])
    if given == "kept elsewhere":
        forget_checkpoints(forged)
    [fault] = audit(forged, checkpoints=kept if given == "kept elsewhere" else []).faults
    assert fault.what == "the log is not the one of a checkpoint"
    assert "cut off, or it was replaced by an older copy" in str(fault.found)


def test_a_history_of_other_peoples_making_is_found_by_a_kept_checkpoint(honest: Path, path: Path) -> None:
    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            await register(node, EVE, "alice")
            for number in range(60):
                await node.send(item(EVE, node.registry, "QueryHandle", {"handle": str(number)}))

    asyncio.run(live())
    assert audit(path).faults == []
    [fault] = audit(path, checkpoints=read_log(honest).checkpoints()).faults
    assert fault.what == "the log is not the one of a checkpoint"


def a_checkpoint(note: str, *, wallet: Wallet = NODE, size: int | None = None, root: bytes | None = None) -> str:
    """A checkpoint with parts of it changed, and signed."""
    checkpoint, _ = parse_note(note)
    return sign(
        Checkpoint(
            checkpoint.origin, checkpoint.size if size is None else size, checkpoint.root if root is None else root
        ),
        wallet,
    )


CHECKPOINTS: dict[str, tuple[Callable[[str], str], str]] = {
    "changes its size": (lambda note: note.replace("\n37\n", "\n36\n"), "a checkpoint"),
    "changes its root": (lambda note: note.replace("=\n\n", "=\n\n").replace("\n37\n", "\n37\nA"), "a checkpoint"),
    "changes its signature": (lambda note: note[:-6] + "AAA==\n", "a checkpoint"),
    "signs it with a key of its own": (lambda note: a_checkpoint(note, wallet=EVE), "a checkpoint"),
    "adds a signature of a key of its own": (
        lambda note: note + a_checkpoint(note, wallet=EVE).rpartition("\n\n")[2],
        "a checkpoint",
    ),
    "takes the signature away": (lambda note: note.partition("\n\n")[0] + "\n\n", "a checkpoint"),
    "writes nonsense": (lambda _: "nonsense", "a checkpoint"),
    "puts one of another log there": (
        lambda note: sign(Checkpoint("mostao/other", 37, bytes(32)), NODE),
        "a checkpoint",
    ),
    "has the node's key, and signs another root": (
        lambda note: a_checkpoint(note, root=bytes(32)),
        "the log is not the one of a checkpoint",
    ),
    "has the node's key, and signs the root for another size": (
        lambda note: a_checkpoint(note, size=36),
        "the log is not the one of a checkpoint",
    ),
}


@pytest.mark.parametrize("did", CHECKPOINTS)
def test_no_checkpoint_can_be_doctored(forged: Path, did: str) -> None:
    forge, answer = CHECKPOINTS[did]
    [[note]] = execute(forged, "select note from checkpoints")
    assert forge(note) != note
    execute(forged, "update checkpoints set note = ?", [forge(note)])
    [fault] = audit(forged).faults
    assert fault.what == answer


@pytest.mark.parametrize(
    "change",
    [
        "update tree set hash = zeroblob(32) where number = 1",
        "update tree set number = 7 where number = 1",
        "update tree set level = 2 where number = 1",
        "delete from tree where number = 1",
        "delete from tree",
        "insert into tree values (1, 2, zeroblob(32))",
        "insert into tree values (2, 0, zeroblob(32))",
    ],
)
def test_no_hash_of_the_tree_can_be_changed(long: Path, path: Path, change: str) -> None:
    copyfile(long, path)
    execute(path, change)
    [fault] = audit(path).faults
    assert "of the Merkle tree" in fault.what


@pytest.mark.parametrize(
    "change",
    [
        "timestamp = 'noon'",
        "timestamp = x'00'",
        "process = 'not an id'",
        "process = x'00'",
        "process_chain = 'text'",
        "log_chain = 'text'",
        "slot = 'first'",
        "message_id = x'00'",
        "sender = x'00'",
        "action = x'00'",
        "tags = x'00'",
        "envelope = 'text'",
        "parent = 'text'",
        "anchor = x'00'",
        "output = x'00'",
        "error = 1.5",
    ],
)
@pytest.mark.parametrize("action", ["GetProfile", "Notify"])
def test_a_column_of_another_type_is_a_fault_like_any_other(forged: Path, action: str, change: str) -> None:
    sequence = place(read(forged), action) + 1
    with loose(forged):
        execute(forged, f"update assignments set {change} where sequence = ?", [sequence])
    [fault] = audit(forged).faults
    assert fault.sequence == sequence
    listed = [fault.sequence for fault in audit(forged, all_faults=True).faults]
    assert sequence in listed[:2]  # the integrity check finds a number in a text column, too
    with pytest.raises(LogFault):
        replay(forged)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that is long enough for hashes of its tree to be kept, for ids to be in the table of ids, and for
    others to help.
    """
    path = tmp_path_factory.mktemp("long") / "world.db"

    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            a, _, session = await talking(node)
            sends = (relay(ALICE, a, session, "SendMessage", {"content": str(number)}) for number in range(200))
            await asyncio.gather(*map(node.send, sends))

    asyncio.run(live())
    return path


@pytest.mark.parametrize("in_shares", [True, False])
@pytest.mark.parametrize(
    ("change", "sequence"),
    [
        ("update ids set id_start = 'changed' where sequence = 7", 7),
        ("update ids set sequence = 1000 where sequence = 7", 7),
        ("delete from ids where sequence = 7", 7),
        ("insert into ids values ('changed', 7)", 7),
        ("insert into ids values ('changed', 1000)", 1000),
        ("insert into ids values ('changed', 10000)", 10_000),
    ],
)
def test_what_messages_are_found_by_cannot_be_changed(
    long: Path, path: Path, change: str, sequence: int, in_shares: bool
) -> None:
    copyfile(long, path)
    execute(path, change)
    [fault] = audit(path, jobs=3 if in_shares else 1).faults
    assert (fault.what, fault.sequence) in (
        ("what it is found by", sequence),
        ("what messages are found by", sequence),
    )


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_it_does_not_matter_how_many_processes_check(long: Path, path: Path, processes: int) -> None:
    audit = partial(audit_log, jobs=processes)
    counted: list[int] = []
    report = audit(long, progress=counted.append)
    assert (report.faults, report.signatures, report.checkpoints) == ([], 205, 1)
    assert counted[-1] == report.events
    copyfile(long, path)
    execute(path, "update assignments set sender = ? where sequence = 500", [OTHER])
    execute(path, "update assignments set log_chain = zeroblob(32) where sequence = 300")
    assert [fault.sequence for fault in audit(path).faults] == [300]
    assert {300, 301, 500} <= {fault.sequence for fault in audit(path, all_faults=True).faults}


def test_a_process_without_threads_has_copies_of_itself_check(long: Path) -> None:
    script = f"""
import actors.audit.audit, actors.audit.partition_workers
actors.audit.partition_workers._start = actors.audit.audit._sequential = None
counted = []
report = actors.audit.audit.audit({str(long)!r}, jobs=2, progress=counted.append)
print(report.events, report.signatures, report.faults, max(counted) == report.events)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.stdout.split(" ", 1)[1], ran.stderr) == ("205 [] True\n", "")


async def test_a_log_that_a_node_is_writing_is_audited_as_far_as_it_was(
    path: Path,
) -> None:
    limits = Limits(snapshot_slots_min=1, snapshot_log_events_min=1, snapshot_events=1)
    async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
        a, _, session = await talking(node)
        audits = [asyncio.create_task(asyncio.to_thread(audit, path)) for _ in range(3)]
        while not all(one.done() for one in audits):
            for number in range(100):
                await node.send(relay(ALICE, a, session, "SendMessage", {"content": str(number)}))
            audits.append(asyncio.create_task(asyncio.to_thread(audit, path))) if len(audits) < 8 else None
        reports = [await one for one in audits]
        assert [report.faults for report in reports] == [[]] * 8
        assert len({report.events for report in reports}) > 3


def test_all_faults_are_listed_each_once_where_it_is(forged: Path) -> None:
    rows = read(forged)
    for action in ("ProfileUpdate", "GetProfile"):
        index = place(rows, action)
        rows[index] = changed(rows[index], output='"changed"')
    index = place(rows, "Notify")
    rows[index] = changed(rows[index], message=changed(rows[index].message, data=b"{}"))
    write(forged, rows)
    faults = [(fault.sequence, fault.what) for fault in audit(forged, all_faults=True).faults]
    due = [(rows[place(rows, action)].sequence, "output") for action in ("ProfileUpdate", "GetProfile")]
    assert set(due) <= set(faults)
    assert (rows[index].sequence, "log chain") in faults
    assert faults == sorted(faults, key=lambda fault: fault[0])


def test_a_change_by_chance_anywhere_is_found(forged: Path) -> None:
    draw = random.Random(1)
    original = read(forged)
    for _ in range(60):
        rows = list(original)
        index = draw.randrange(len(rows))
        data = bytearray(rows[index].message.data or b"{}")
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(7)
        rows[index] = changed(rows[index], message=changed(rows[index].message, data=bytes(data)))
        write(forged, relinked(rows))
        assert audit(forged).faults


def test_a_log_signed_by_another_node_is_another_log(honest: Path, path: Path) -> None:
    async def live() -> None:
        async with Node.open(path, wallet=Wallet(bytes([99]) * 32)) as node:
            await talking(node)

    asyncio.run(live())
    assert audit(path).faults == []
    assert audit(path).log_head != audit(honest).log_head
