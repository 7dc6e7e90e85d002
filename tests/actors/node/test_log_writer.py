"""A busy node's log is written by a child process: the same log, whatever becomes of the child or of the node."""

import asyncio
import logging
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from actors import Node
from actors.audit.audit import audit
from actors.node import log_writer
from actors.node.log_writer import BATCH_ROWS_MIN, CROWD, Appender
from actors.node.writer_thread import Append, Writer
from actors.runtime.child_process import Child
from eventstore import Assignment, EventStoreError, LogFailed, LogInUse, SqliteLog
from eventstore.sqlite import writer_lock
from tests.actors.audit.forger import read
from tests.actors.people import ALICE, NODE, item
from tests.eventstore.logs import assignments

ENOUGH = CROWD + 3 * BATCH_ROWS_MIN
"""Rows after which a child was started, and a few batches more."""


def parts(rows: list[Assignment], *ends: int) -> list[list[Assignment]]:
    return [rows[start:end] for start, end in pairwise((0, *ends, len(rows)))]


@asynccontextmanager
async def writing(path: Path) -> AsyncIterator[tuple[Appender, SqliteLog]]:
    log = SqliteLog.open(path)
    writer = Writer.start(log)
    by = Appender(log, writer)
    try:
        yield by, log
    finally:
        await by.close()
        writer.stop()
        log.close()


async def append(by: Appender, batch: list[Assignment]) -> None:
    done: asyncio.Future[EventStoreError | None] = asyncio.get_running_loop().create_future()
    by.append(batch, expected=batch[0].sequence - 1, done=done.set_result)
    if error := await done:
        raise error


async def crowd(by: Appender, batch: list[Assignment]) -> psutil.Process:
    """Write enough for a child to be started, and wait until it is ready."""
    await append(by, batch)
    assert by._starting is not None
    await by._starting
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
    alone = SqliteLog.open(path.with_name("alone.db"))
    alone.append(rows, expected=0)
    log = SqliteLog.open_to_read(path)
    assert list(log.read()) == list(alone.read()) == rows
    assert list(log.tree_nodes()) == list(alone.tree_nodes())
    alone.close()
    log.close()


async def test_few_rows_at_a_time_start_none(path: Path) -> None:
    rows = assignments(CROWD + BATCH_ROWS_MIN)
    async with writing(path) as (by, _):
        for start in range(0, len(rows), BATCH_ROWS_MIN - 1):
            await append(by, rows[start : start + BATCH_ROWS_MIN - 1])
        assert by._starting is None


async def test_one_row_is_enough_where_none_has_to_be_written_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "CROWD", 0)
    first, second = parts(assignments(2), 1)
    async with writing(path) as (by, _):
        await crowd(by, first)
        await append(by, second)
    assert read(path) == first + second


async def test_a_machine_with_one_core_starts_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    async with writing(path) as (by, _):
        await append(by, assignments(ENOUGH))
        assert by._starting is None


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
    assert "the node writes its log by itself" in caplog.text


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
        answered = by._answered

        def killed(batch: Append, said: bytes | None) -> None:
            assert said == b""
            child.kill()
            answered(batch, None)

        monkeypatch.setattr(by, "_answered", killed)
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
        by.append(second, expected=CROWD, done=errors.append)
    assert errors == [None]
    assert read(path) == first + second


async def test_a_child_that_cannot_be_started_is_done_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    first, second = parts(assignments(ENOUGH), CROWD)
    async with writing(path) as (by, _):
        await append(by, first)
        assert by._starting is not None
        await by._starting
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
            SqliteLog.open(path)
    child.resume()
    log = SqliteLog.open(path)
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
        by.append(third, expected=second[-1].sequence, done=print)
        print("handed over", flush=True)
        sys.stdin.read()


async def test_a_busy_node_has_a_child_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "CROWD", BATCH_ROWS_MIN)
    handed_over = 0
    hand_over = Appender._hand_over

    def counted(self: Appender, child: Child, append: Append) -> None:
        nonlocal handed_over
        handed_over += len(append.batch)
        hand_over(self, child, append)

    monkeypatch.setattr(Appender, "_hand_over", counted)
    async with Node.open(path, wallet=NODE) as node:
        sent = 0
        while not handed_over:
            asks = [item(ALICE, node.registry, "QueryHandle", {"handle": f"{sent + n}"}) for n in range(200)]
            results = await asyncio.gather(*map(node.send, asks))
            assert all(result.sequence for result in results)
            sent += len(asks)
        root = node.state_root
    report = audit(path)
    assert (report.faults, report.events, report.state_root) == ([], 1 + sent, root)
