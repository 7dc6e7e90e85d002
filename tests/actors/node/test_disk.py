"""A full or failing disk: pending senders get the error, the node stops, and nothing acknowledged is lost."""

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from actors import Node, replay
from actors.audit.audit import audit
from eventstore import LogFailed, LogUnusable, open_log
from eventstore.sqlite.log import SqliteLog
from tests.actors.audit.forger import read
from tests.actors.people import ALICE, BOB, NODE, register, relay, still, talking


class FailingConnection:
    """A connection whose disk refuses from some statement on."""

    def __init__(self, connection: sqlite3.Connection, failing_from: int) -> None:
        self._connection = connection
        self._left = failing_from

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self._left -= 1
        if self._left < 0 and statement != "rollback":
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def connection_of(node: Node) -> sqlite3.Connection:
    """The node's own connection, on which a test sets what a disk would do."""
    return cast("SqliteLog", node._recovered.log)._connection


async def talk_until_it_fails(node: Node, a: str, session: str) -> tuple[set[str], str]:
    """Messages that were acknowledged, and what was said to the others."""
    acknowledged: set[str] = set()
    reason = ""

    async def user(number: int) -> None:
        nonlocal reason
        for count in range(10**6):
            raw = relay(ALICE, a, session, "SendMessage", {"content": f"{number}.{count}" * 50})
            try:
                acknowledged.add((await node.send(raw)).message_id)
            except LogFailed as error:
                reason = str(error)
                return

    await asyncio.gather(*map(user, range(8)))
    return acknowledged, reason


def check(path: Path, acknowledged: set[str]) -> None:
    """Nothing that was acknowledged is missing, and a node goes on with the log."""
    assert audit(path).faults == []

    async def reopen() -> str:
        async with Node.open(path) as node:
            await register(node, BOB, "somebody-new")
            await node.drain()
            return node.state_root

    root = asyncio.run(reopen())
    ids = [row.message.id for row in read(path)]
    assert acknowledged <= set(ids)
    assert len(set(ids)) == len(ids)
    assert (replay(path).state_root, replay(path).unsent, audit(path).faults) == (root, 0, [])


@pytest.mark.parametrize("failing_from", [0, 1, 2, 3, 4, 7, 30])
def test_an_io_error_at_any_statement(path: Path, failing_from: int, caplog: pytest.LogCaptureFixture) -> None:
    async def live() -> set[str]:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            a, _, session = await talking(node)
            log = node._recovered.log
            log._connection = FailingConnection(log._connection, failing_from)  # type: ignore[attr-defined]
            acknowledged, reason = await talk_until_it_fails(node, a, session)
            assert "could not be written (disk I/O error)" in reason
            with pytest.raises(LogFailed):
                await node.dryrun(a, action="GetProfile")
            return acknowledged

    acknowledged = asyncio.run(live())
    assert "the log failed: nothing more is taken" in caplog.text
    check(path, acknowledged)


def test_a_log_that_may_have_no_more_pages(path: Path) -> None:
    async def live() -> set[str]:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            a, _, session = await talking(node)
            [pages] = connection_of(node).execute("pragma page_count").fetchone()
            connection_of(node).execute(f"pragma max_page_count = {pages + 20}")
            acknowledged, reason = await talk_until_it_fails(node, a, session)
            assert "database or disk is full" in reason
            assert acknowledged
            return acknowledged

    check(path, asyncio.run(live()))


def test_a_file_that_may_not_grow(path: Path) -> None:
    command = [sys.executable, "-m", "tests.actors.node.full_disk", str(path), "300000"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    refused = [line for line in lines if line.startswith("refused: ")]
    assert len(refused) == 2
    assert "could not be written" in refused[0]
    assert "the log failed: nothing more is taken" in run.stderr
    assert "Traceback" not in run.stderr
    check(path, set(lines) - set(refused))


def test_a_disk_that_turns_read_only(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def live() -> set[str]:
        async with Node.open(path, wallet=NODE, clock=still) as node:
            a, _, session = await talking(node)
            connection_of(node).execute("pragma query_only = 1")  # SQLITE_READONLY, as after such a remount
            acknowledged, reason = await talk_until_it_fails(node, a, session)
            assert "attempt to write a readonly database" in reason
            return acknowledged

    check(path, asyncio.run(live()))
    assert "the log failed: nothing more is taken" in caplog.text


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(LogUnusable, match="cannot be written"):
            open_log(path)
    finally:
        path.parent.chmod(0o700)


async def test_a_writer_that_meets_a_fault_of_its_own_leaves_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="mostao")
    async with Node.open(path, wallet=NODE, clock=still) as node:
        monkeypatch.setattr(SqliteLog, "append", lambda *_, **__: [][0])
        with pytest.raises(LogFailed, match="IndexError"):
            await register(node, ALICE, "alice")
