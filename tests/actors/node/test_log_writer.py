"""A child process writes a busy node's log: the same log, also when the child or the node is killed."""

import asyncio
import logging
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors import Limits, Node
from actors.audit.audit import audit
from actors.node.log_writer import LogWriter
from eventstore import Assignment, EventStoreError, Head, LogFailed, LogInUse, open_log, read_log
from eventstore.sqlite import writer_lock
from eventstore.sqlite.log import SqliteLog
from tests.actors.audit.forger import read
from tests.actors.people import ALICE, NODE, item
from tests.eventstore.logs import assignments

BATCH_ROWS_MIN, CROWD = Limits().delegate_batch_rows_min, Limits().delegate_rows_min
ENOUGH = CROWD + 3 * BATCH_ROWS_MIN
"""Rows after which a child was started, and a few batches more."""


def parts(rows: list[Assignment], *ends: int) -> list[list[Assignment]]:
    return [rows[start:end] for start, end in pairwise((0, *ends, len(rows)))]


@asynccontextmanager
async def writing(path: Path, limits: Limits | None = None) -> AsyncIterator[tuple[LogWriter, SqliteLog]]:
    log = SqliteLog.open(path)
    epoch = log.take_lease("a test").epoch
    by = LogWriter(log, epoch=epoch, delegate_location=str(path), limits=limits or Limits())
    try:
        yield by, log
    finally:
        await by.close()
        log.close()


async def append(by: LogWriter, batch: list[Assignment]) -> None:
    done: asyncio.Future[EventStoreError | None] = asyncio.get_running_loop().create_future()
    by.write(batch, on_written=done.set_result)
    if error := await done:
        raise error


async def crowd(by: LogWriter, batch: list[Assignment]) -> psutil.Process:
    """Write enough for a child to be started, and wait until it is ready."""
    await append(by, batch)
    assert await by.started()
    assert by.child is not None
    return psutil.Process(by.child.pid)


async def test_a_child_writes_the_same_log(path: Path) -> None:
    rows = assignments(ENOUGH + 900)
    first, *rest = parts(rows, CROWD, CROWD + 1, CROWD + 256, CROWD + 513)
    async with writing(path) as (by, _):
        await crowd(by, first)
        for batch in rest:  # of one row, of less and of more than are handed over at a time
            await append(by, batch)
        assert by.child is not None
    alone = open_log(path.with_name("alone.db"))
    alone.append(rows, expected=0, epoch=alone.take_lease("a test").epoch)
    log = read_log(path)
    assert list(log.read()) == list(alone.read()) == rows
    assert list(log.tree_nodes()) == list(alone.tree_nodes())
    alone.close()
    log.close()


async def test_few_rows_at_a_time_start_none(path: Path) -> None:
    rows = assignments(CROWD + BATCH_ROWS_MIN)
    async with writing(path) as (by, _):
        for start in range(0, len(rows), BATCH_ROWS_MIN - 1):
            await append(by, rows[start : start + BATCH_ROWS_MIN - 1])
        assert not await by.started()
        assert by.child is None


async def test_one_row_is_enough_where_none_has_to_be_written_first(path: Path) -> None:
    first, second = parts(assignments(2), 1)
    async with writing(path, Limits(delegate_rows_min=0)) as (by, _):
        await crowd(by, first)
        await append(by, second)
    assert read(path) == first + second


async def test_a_machine_with_one_core_starts_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    async with writing(path) as (by, _):
        await append(by, assignments(ENOUGH))
        assert not await by.started()
        assert by.child is None


async def test_a_child_that_was_killed_is_done_without(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second, third, fourth = parts(assignments(ENOUGH + 600), CROWD, CROWD + 300, CROWD + 600)
    async with writing(path) as (by, _):
        child = await crowd(by, first)
        await append(by, second)
        child.kill()
        await append(by, third)
        await append(by, fourth)
        assert by.child is None
        assert not child.is_running()
    assert read(path) == first + second + third + fourth
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "a thread writes it" in caplog.text


async def test_a_child_that_is_killed_before_it_wrote_a_batch(path: Path) -> None:
    first, second, third = parts(assignments(ENOUGH), CROWD, CROWD + BATCH_ROWS_MIN)
    async with writing(path) as (by, _):
        child = await crowd(by, first)
        await append(by, second)
        child.suspend()
        appending = asyncio.create_task(append(by, third))
        await asyncio.sleep(0)
        child.kill()
        await appending
    assert read(path) == first + second + third


async def test_a_child_that_is_killed_before_it_said_that_it_wrote_a_batch(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = parts(assignments(ENOUGH), CROWD, CROWD + BATCH_ROWS_MIN)
    async with writing(path) as (by, log):
        child = await crowd(by, first)
        replied = by._child_replied

        def killed(write: Any, reply: bytes | None) -> None:
            assert reply == b""
            child.kill()
            replied(write, None)

        monkeypatch.setattr(by, "_child_replied", killed)
        await append(by, second)
        assert by.child is None
        assert log.head().sequence == second[-1].sequence
        await append(by, third)
    assert read(path) == first + second + third


async def test_a_log_that_cannot_be_read_after_the_child_was_killed_refuses_the_node(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = parts(assignments(ENOUGH), CROWD)
    async with writing(path) as (by, log):
        child = await crowd(by, first)
        child.kill()
        monkeypatch.setattr(log, "head", lambda: 1 // 0)
        with pytest.raises(LogFailed, match="could not be read"):
            await append(by, second)


async def test_closing_waits_for_the_last_batch(path: Path) -> None:
    first, second = parts(assignments(ENOUGH), CROWD)
    errors: list[EventStoreError | None] = []
    async with writing(path) as (by, _):
        await crowd(by, first)
        by.write(second, on_written=errors.append)
    assert errors == [None]
    assert read(path) == first + second


async def test_a_child_that_cannot_be_started_is_done_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    first, second = parts(assignments(ENOUGH), CROWD)
    async with writing(path) as (by, _):
        await append(by, first)
        assert await by.started()
        assert by.child is None
        await append(by, second)
    assert read(path) == first + second


async def test_a_disk_that_refuses_the_child_refuses_the_node(path: Path) -> None:
    first, second, third = parts(assignments(ENOUGH + 600), CROWD, CROWD + 600)
    async with writing(path) as (by, _):
        child = await crowd(by, first)
        await append(by, second)
        size = path.with_name(path.name + "-wal").stat().st_size
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size // 2, size // 2))
        with pytest.raises(LogFailed, match="could not be written"):
            await append(by, third)
    assert read(path) == first + second


async def test_signals_that_are_for_the_node_do_not_end_the_child(path: Path) -> None:
    first, second, third = parts(assignments(ENOUGH), CROWD, CROWD + BATCH_ROWS_MIN)
    async with writing(path) as (by, _):
        child = await crowd(by, first)
        await append(by, second)
        for ignored in (signal.SIGINT, signal.SIGTERM):
            child.send_signal(ignored)
        await append(by, third)
        assert by.child is not None
    assert not child.is_running()
    assert read(path) == first + second + third


def test_who_takes_over_from_a_killed_node_has_its_last_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", f"import {__name__} as it; it.become_a_victim()", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert victim.stdin is not None
        child = psutil.Process(int(victim.stdout.readline()))
        child.suspend()
        print("append", file=victim.stdin, flush=True)
        assert victim.stdout.readline() == "handed over\n"
        victim.kill()
    with monkeypatch.context() as patched:
        patched.setattr(writer_lock, "DELEGATE_WAIT_S", 0.05)
        with pytest.raises(LogInUse, match="still being written for a node that is gone"):
            open_log(path)
    child.resume()
    log = open_log(path)
    assert list(log.read()) == assignments(ENOUGH)
    log.close()
    gone, _ = psutil.wait_procs([child], timeout=30)
    assert gone


def become_a_victim() -> None:
    """Hand a batch over when told to, say so, and wait for the end."""
    asyncio.run(_hand_over_and_wait(Path(sys.argv[1])))


async def _hand_over_and_wait(path: Path) -> None:
    async with writing(path) as (by, _):
        first, second, third = parts(assignments(ENOUGH), CROWD, CROWD + BATCH_ROWS_MIN)
        child = await crowd(by, first)
        await append(by, second)
        print(child.pid, flush=True)
        sys.stdin.readline()
        by.write(third, on_written=print)
        print("handed over", flush=True)
        sys.stdin.read()


async def test_a_busy_node_has_a_child_write(path: Path) -> None:
    async with Node.open(path, wallet=NODE, limits=Limits(delegate_rows_min=BATCH_ROWS_MIN)) as node:
        sent = rounds_by_child = 0
        while rounds_by_child < 2:
            rounds_by_child += node.load().writer_pid is not None
            asks = [item(ALICE, node.registry, "QueryHandle", {"handle": f"{sent + n}"}) for n in range(200)]
            results = await asyncio.gather(*map(node.send, asks))
            assert all(result.sequence for result in results)
            sent += len(asks)
        root = node.state_root
    report = audit(path)
    assert (report.faults, report.events, report.state_root) == ([], 1 + sent, root)


class GatedLog:
    """A log whose commits wait until the test lets them pass."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.batches: list[list[Assignment]] = []
        self.error: EventStoreError | None = None

    def append(self, batch: list[Assignment], *, expected: int, epoch: int) -> Head:
        self.gate.acquire()
        if self.error:
            raise self.error
        assert (expected, epoch) == (sum(map(len, self.batches)), 7)
        self.batches.append(batch)
        return Head.at(batch[-1])

    def head(self) -> Head:
        raise NotImplementedError


async def test_a_batch_is_called_done_only_after_it_was_appended() -> None:
    log, batch, done = GatedLog(), assignments(6), list[EventStoreError | None]()
    by = LogWriter(log, epoch=7, delegate_location=None, limits=Limits())  # type: ignore[arg-type]
    by.write(batch[:4], on_written=done.append)
    by.write(batch[4:], on_written=done.append)
    await asyncio.sleep(0)
    assert done == []
    log.gate.release(2)
    while len(done) < 2:
        await asyncio.sleep(0)
    await by.close()
    assert done == [None, None]
    assert log.batches == [batch[:4], batch[4:]]


async def test_a_batch_that_failed_is_called_done_with_its_error_and_the_writer_lives_on() -> None:
    log = GatedLog()
    log.error = LogFailed("disk full")
    log.gate.release(2)
    by = LogWriter(log, epoch=7, delegate_location=None, limits=Limits())  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(LogFailed, match="disk full"):
            await append(by, assignments(2))
    await by.close()


async def test_a_writer_whose_lease_was_taken_over_writes_nothing(path: Path) -> None:
    first, second = parts(assignments(ENOUGH), CROWD)
    async with writing(path) as (by, log):
        await crowd(by, first)
        log.take_lease("another node")
        with pytest.raises(LogFailed, match="epoch 1 is stale: the log's lease is at epoch 2"):
            await append(by, second)
    assert read(path) == first
