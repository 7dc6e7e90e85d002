"""A log whose acknowledged events are not in the files that are left is refused, also if no event is left."""

import shutil
from pathlib import Path

import pytest

from actors import Node
from actors.ans104.wallet import Wallet, key_path
from eventstore import LogUnusable, StorageDamaged, open_log, read_log, upgrade_log
from eventstore.sqlite.file_names import beside
from tests.actors.people import ALICE, BOB, register, still
from tests.sqlite_file import execute


async def copy_of_running(path: Path, copy: Path, suffixes: tuple[str, ...], *, opened_before: bool = False) -> Path:
    """Copy some files of a log while its node runs, after it acknowledged events."""
    if opened_before:
        async with Node.open(path, clock=still):
            pass
    async with Node.open(path, clock=still) as node:
        await register(node, ALICE, "alice")
        await node.drain()
        for suffix in suffixes:
            shutil.copy(beside(path, suffix), beside(copy, suffix))
    return copy


@pytest.mark.parametrize("suffixes", [("", ".lock", ".key"), ("", ".key"), (".lock", ".key"), ("", ".lock")])
async def test_a_copy_without_its_write_ahead_log_begins_no_new_log(
    path: Path, tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    copy = await copy_of_running(path, tmp_path / "copy.db", suffixes)
    for _ in range(2):
        with pytest.raises(LogUnusable, match=r"copy.db-wal"):
            async with Node.open(copy, clock=still):
                pass


async def test_the_write_ahead_log_that_is_put_back_makes_the_copy_whole(path: Path, tmp_path: Path) -> None:
    copy = await copy_of_running(path, tmp_path / "copy.db", ("", "-wal", ".lock", ".key"))
    wal = beside(copy, "-wal").rename(tmp_path / "kept")
    with pytest.raises(LogUnusable):
        async with Node.open(copy, clock=still):
            pass
    wal.rename(beside(copy, "-wal"))
    async with Node.open(copy, clock=still) as node:
        assert node.sequence > 1


async def test_an_emptied_write_ahead_log_of_a_killed_node_is_refused(path: Path, tmp_path: Path) -> None:
    copy = await copy_of_running(path, tmp_path / "copy.db", ("", "-wal", ".lock"), opened_before=True)
    beside(copy, "-wal").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StorageDamaged, match=r"a copy that misses copy.db-wal.* --accept-loss"):
            async with Node.open(copy, clock=still):
                pass


async def test_a_first_start_that_was_killed_before_its_first_event_goes_on(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    log = open_log(path)
    for suffix in ("", "-wal", ".lock"):
        shutil.copy(beside(path, suffix), beside(copy, suffix))
    log.close()
    Wallet.create().save(key_path(copy))
    async with Node.open(copy, clock=still) as node:
        await register(node, ALICE, "alice")


async def test_legitimate_copies_and_changes_are_no_false_alarm(path: Path, tmp_path: Path) -> None:
    for person, name in ((ALICE, "alice"), (BOB, "bob")):
        async with Node.open(path, clock=still) as node:
            await register(node, person, name)
        folder = tmp_path / name
        folder.mkdir()
        for suffix in ("", ".lock", ".key"):
            shutil.copy(beside(path, suffix), beside(folder / path.name, suffix))
    log = read_log(path)
    newest, older = log.head(), tmp_path / "alice" / path.name
    log.close()
    execute(path, "vacuum")
    async with Node.open(path, clock=still) as node:  # after a user's VACUUM
        assert node.sequence == newest.sequence
    for suffix in ("", ".lock"):  # an older backup with its lock file
        shutil.copy(beside(older, suffix), beside(path, suffix))
    async with Node.open(path, clock=still) as node:
        assert node.sequence < newest.sequence
    alone = tmp_path / "alone.db"
    shutil.copy(tmp_path / "bob" / path.name, alone)  # a backup without its lock file, at a new name
    async with Node.open(alone, clock=still) as node:
        assert node.sequence == newest.sequence


async def test_an_older_copy_continues_after_its_loss_is_accepted(path: Path, tmp_path: Path) -> None:
    async with Node.open(path, clock=still):
        pass
    older = shutil.copy(path, tmp_path / "older.db")
    async with Node.open(path, clock=still) as node:
        await register(node, ALICE, "alice")
    shutil.copy(older, path)
    epoch = beside(path, ".lock").read_text().splitlines()[1]
    with pytest.raises(StorageDamaged, match="--accept-loss"):
        upgrade_log(path)
    upgrade_log(path, accept_loss=True)
    assert beside(path, ".lock").read_text().splitlines()[1] == epoch
    async with Node.open(path, clock=still) as node:
        await register(node, ALICE, "alice")
