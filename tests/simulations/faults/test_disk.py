"""The simulated disk: what SQLite syncs survives a crash, and nothing else must."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from simulations.faults.disk import Disk, DiskFaults
from simulations.faults.sqlite_vfs import recorded


@contextmanager
def database(
    path: Path, faults: DiskFaults, *, synchronous: str = "full", seed: int = 1
) -> Iterator[tuple[Disk, sqlite3.Connection]]:
    lock = path.with_name(path.name + ".lock")
    lock.touch()
    disk = Disk(faults, f"{seed}", unsynced=lock)
    with recorded(path, disk), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute("create table kept (number)")
        yield disk, connection


def fail(disk: Disk, connection: sqlite3.Connection, *, then_insert: int = 20) -> None:
    """Let the power fail while a transaction is written."""
    disk.stop_syncing()
    with connection:
        connection.execute("begin")
        connection.executemany("insert into kept values (?)", [("x" * 500,)] * then_insert)
    disk.cut_power()
    connection.close()
    disk.crash()


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        return int(connection.execute("select count(*) from kept where typeof(number) = 'integer'").fetchone()[0])


@pytest.mark.parametrize("seed", range(10))
def test_a_torn_write_costs_nothing_that_was_synced(path: Path, seed: int) -> None:
    with database(path, DiskFaults(torn_write=0.5), seed=seed) as (disk, connection):
        for number in range(50):
            connection.execute("insert into kept values (?)", (number,))
        fail(disk, connection)
    assert rows(path) == 50
    assert not disk.is_damaged


def test_a_missing_fsync_costs_what_was_acknowledged(path: Path) -> None:
    with database(path, DiskFaults(torn_write=1.0), synchronous="off") as (disk, connection):
        connection.execute("pragma wal_checkpoint(truncate)")
        for number in range(50):
            connection.execute("insert into kept values (?)", (number,))
        fail(disk, connection)
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("select 1 from sqlite_master").fetchone()


def test_a_drive_that_lies_about_syncs_loses_them(path: Path) -> None:
    counts = set()
    for seed in range(12):
        log = path.with_name(f"{seed}.db")
        with database(log, DiskFaults(lost_fsync=0.3), seed=seed) as (disk, connection):
            for number in range(50):
                connection.execute("insert into kept values (?)", (number,))
            fail(disk, connection)
        if disk.is_damaged:
            counts.add(disk.lost_every_trace)
    assert counts == {True, False}


def test_bit_rot_flips_one_bit(path: Path) -> None:
    with database(path, DiskFaults(bit_rot=1.0), seed=2) as (disk, connection):
        connection.execute("insert into kept values (1)")
        before = {name: path.with_name(name).read_bytes() for name in (path.name, path.name + "-wal")}
        disk.cut_power()
        connection.close()
        disk.crash()
    bits = [
        (one ^ other).bit_count()
        for name, content in before.items()
        for one, other in zip(content, path.with_name(name).read_bytes(), strict=True)
    ]
    assert sum(bits) == 1
    assert disk.is_damaged


def test_other_files_are_left_alone(path: Path) -> None:
    with database(path, DiskFaults(torn_write=1.0)) as (disk, connection):
        other = path.parent / "other.db"
        with closing(sqlite3.connect(other)) as another:
            another.execute("create table kept (number)")
            another.commit()
        fail(disk, connection)
    assert rows(other) == 0
