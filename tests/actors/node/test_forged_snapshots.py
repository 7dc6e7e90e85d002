"""Who can write ``LOG.snapshots``, but cannot read its key, changes nothing: not a state, and not what a log needs."""

import hmac
import logging
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors import Node
from actors.audit.audit import audit
from eventstore.sqlite import snapshot_key
from eventstore.sqlite.snapshots import snapshots_path
from tests.actors.node.test_passivation import SNAPSHOT_ALL, chat, evicted
from tests.actors.people import ALICE, EVE, NODE, register, relay, still, talking
from tests.sqlite_file import execute

DISCARDED = "the snapshots are discarded"


def key_file(path: Path) -> Path:
    return snapshot_key.key_path(snapshots_path(path))


async def with_snapshots(path: Path) -> tuple[str, str, str]:
    """A log whose processes all have snapshots. Returns its state root, and Alice's handle and session."""
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        handle, _, session = await talking(node)
        await node.send(relay(ALICE, handle, session, "SendMessage", {"content": "hello"}))
        await node.drain()
        return node.state_root, handle, session


async def root_of(path: Path) -> str:
    async with Node.open(path, clock=still, limits=SNAPSHOT_ALL) as node:
        await node.drain()
        return node.state_root


MACS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda _: b"",
    "a plain hash": lambda message: hmac.digest(b"", message, "sha256"),
    "one by another key": lambda message: hmac.digest(bytes(32), message, "sha256"),
}


@pytest.mark.parametrize("mac", MACS)
async def test_a_forged_snapshot_gains_nobody_ownership(path: Path, mac: str, caplog: pytest.LogCaptureFixture) -> None:
    root, handle, session = await with_snapshots(path)
    columns = "process, slot, sequence, module, owner, assignment_id, state"
    file = snapshots_path(path)
    execute(file, "update snapshots set owner = ? where process = ?", (EVE.address, handle))
    execute(file, "update snapshots set state = cast(replace(state, ?, ?) as blob)", (ALICE.address, EVE.address))
    for process, *fields in execute(file, f"select {columns} from snapshots"):
        message = snapshot_key._encode(("snapshot", process, *fields[:-1])) + fields[-1]
        execute(file, "update snapshots set mac = ? where process = ?", (MACS[mac](message), process))
    async with Node.open(path, clock=still, limits=SNAPSHOT_ALL) as node:
        assert node.state_root == root
        result = await node.send(relay(EVE, handle, session, "SendMessage", {"content": "I am Alice"}))
        assert result.error is not None
        await node.send(relay(ALICE, handle, session, "SendMessage", {"content": "no, I am"}))
        await node.drain()
        root = node.state_root
    assert "a snapshot was refused: its process is replayed instead" in caplog.text
    assert audit(path).faults == []  # what was refused is deleted
    file.unlink()
    assert await root_of(path) == root  # so the log opens without its snapshots, too


FORGED_FILES = {
    "a watermark between a message and its effects": "update mark set sequence = sequence - 1,"
    " chain = (select log_chain from log.assignments where sequence = (select sequence - 1 from mark))",
    "an earlier watermark": "update mark set sequence = 1, chain = (select log_chain from log.assignments)",
    "a watermark of nonsense": "update mark set sequence = 'x', chain = 'y'",
    "a watermark without a MAC": "update mark set mac = null",
    "a module that no version has": "insert into modules values ('mostao.forged@1')",
    "a module less": "delete from modules where module = (select min(module) from modules)",
    "a module of nonsense": "update modules set module = cast(x'ff' as text) where rowid = 1",
    "another format": "pragma user_version = 99",
    "a view": "create view more as select 1",
    "a trigger": "create trigger t after insert on mark begin delete from snapshots; end",
}


@pytest.mark.parametrize("forged", FORGED_FILES)
async def test_forged_snapshots_are_discarded_and_the_log_opens_by_replay(
    path: Path, forged: str, caplog: pytest.LogCaptureFixture
) -> None:
    root, *_ = await with_snapshots(path)
    file = snapshots_path(path)
    execute_beside_log(file, path, FORGED_FILES[forged])
    assert await root_of(path) == root
    assert DISCARDED in caplog.text
    caplog.clear()
    assert await root_of(path) == root
    assert DISCARDED not in caplog.text
    assert audit(path).faults == []


def execute_beside_log(file: Path, log: Path, statement: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("attach ? as log", (str(log),))
        connection.execute(statement)


UNREADABLE = {
    "a view": "create view more as select 1",
    "a place of nonsense": "update snapshots set sequence = 'x'",
    "a process of nonsense": "update snapshots set process = cast(x'ff' as text) where rowid = 1",
    "a state of nonsense": "update snapshots set module = cast(x'ff' as text)",
    "a watermark of nonsense": "update mark set sequence = 'x', chain = 'y'",
}


@pytest.mark.parametrize("forged", UNREADABLE)
async def test_an_audit_reports_snapshots_that_no_node_can_have_written(path: Path, forged: str) -> None:
    await with_snapshots(path)
    execute(snapshots_path(path), UNREADABLE[forged])
    for all_faults in (False, True):
        assert audit(path, all_faults=all_faults).faults


async def test_an_endless_view_in_place_of_a_table_stops_no_node(path: Path) -> None:
    root, *_ = await with_snapshots(path)
    file = snapshots_path(path)
    execute(file, "drop table modules")
    endless = "with recursive n(module) as (select 'm' union all select module from n) select module from n"
    execute(file, f"create view modules as {endless}")
    assert await root_of(path) == root


async def test_snapshots_that_are_older_or_fewer_change_no_state(path: Path) -> None:
    await with_snapshots(path)
    file = snapshots_path(path)
    older = file.read_bytes()
    async with Node.open(path, clock=still, limits=SNAPSHOT_ALL) as node:
        await register(node, EVE, "eve")
        await node.drain()
        root = node.state_root
    newer = file.read_bytes()
    file.write_bytes(older)  # each snapshot in it has a valid MAC, and is the state at its slot
    assert await root_of(path) == root
    file.write_bytes(newer)
    execute(file, "delete from snapshots where process in (select process from snapshots limit 2)")
    assert await root_of(path) == root


async def test_snapshots_of_another_log_with_their_key_change_no_state(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, *_ = await with_snapshots(path)
    other = path.with_name("other.db")
    async with Node.open(other, clock=still, limits=SNAPSHOT_ALL) as node:
        await chat(node)
    shutil.copy(snapshots_path(other), snapshots_path(path))
    shutil.copy(key_file(other), key_file(path))
    assert await root_of(path) == root
    assert "they are of another history" in caplog.text


async def test_a_copy_without_the_key_opens_and_gets_a_key_of_its_own(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, *_ = await with_snapshots(path)
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    shutil.copy(snapshots_path(path), snapshots_path(copy))
    report = audit(copy)
    assert (report.faults, report.snapshots > 2) == ([], True)  # an audit needs no key
    assert await root_of(copy) == root
    assert "their key" in caplog.text
    assert key_file(copy).read_bytes() != key_file(path).read_bytes()


def fifo(key: Path) -> None:
    key.unlink()
    os.mkfifo(key, 0o600)


def link(key: Path) -> None:
    target = key.with_name("target")
    key.rename(target)
    key.symlink_to(target)


BAD_KEYS: dict[str, Callable[[Path], object]] = {
    "readable by the group": lambda key: key.chmod(0o640),
    "readable by everyone": lambda key: key.chmod(0o604),
    "missing": lambda key: key.unlink(),
    "empty": lambda key: key.write_bytes(b""),
    "too long": lambda key: key.write_bytes(bytes(33)),
    "a symbolic link": link,
    "a pipe": fifo,
}


@pytest.mark.parametrize("bad", BAD_KEYS)
async def test_a_key_that_is_not_secret_is_replaced_and_its_snapshots_are_discarded(
    path: Path, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    root, *_ = await with_snapshots(path)
    before = key_file(path).read_bytes()
    BAD_KEYS[bad](key_file(path))
    assert await root_of(path) == root
    assert DISCARDED in caplog.text
    status = key_file(path).lstat()
    assert (stat.S_ISREG(status.st_mode), stat.S_IMODE(status.st_mode), status.st_size) == (True, 0o600, 32)
    assert key_file(path).read_bytes() != before


async def test_snapshots_of_an_older_version_are_discarded_with_one_line(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, *_ = await with_snapshots(path)
    file = snapshots_path(path)
    file.unlink()
    key_file(path).unlink()
    execute(file, "create table snapshots (process text primary key, slot, sequence, module, owner, state, hash)")
    execute(file, "create table mark (sequence integer, chain blob)")
    assert audit(path).faults == []
    caplog.set_level(logging.INFO, logger="mostao")
    assert await root_of(path) == root
    [record] = [record for record in caplog.records if DISCARDED in str(record.msg)]
    assert record.levelname == "INFO"


async def test_a_snapshot_that_is_forged_while_the_node_runs_is_refused(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=SNAPSHOT_ALL) as node:
        handle, _, session = await talking(node)
        await node.drain()
        root = node.state_root
        for _ in range(5):
            node.evict_idle()
            await node.drain()
            await evicted(node)
        assert node.load().live_processes == 0
        execute(snapshots_path(path), "update snapshots set owner = ?", (EVE.address,))
        result = await node.send(relay(EVE, handle, session, "SendMessage", {"content": "I am Alice"}))
        assert result.error is not None
        assert "a snapshot was refused" in caplog.text
        assert node.state_root == root
        await node.drain()
    assert audit(path).faults == []
