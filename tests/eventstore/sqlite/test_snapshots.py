import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from eventstore import Head
from eventstore.snapshots import Snapshot, SnapshotsUnusable
from eventstore.sqlite.snapshot_key import SnapshotKey, key_path
from eventstore.sqlite.snapshots import SqliteSnapshots


def snapshot(process: str, slot: int, state: bytes = b"{}") -> Snapshot:
    return Snapshot(process, slot, slot + 1, "module@1", "owner", bytes(32), state)


WATERMARK = Head(9, bytes(32))


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_at_the_place_of_the_snapshots_changes_no_other_file(
    path: Path, tmp_path: Path, link: Callable[[Path, Path], None], exists: bool
) -> None:
    victim = tmp_path / "victim.db"
    if exists or link is Path.hardlink_to:
        with closing(sqlite3.connect(victim)) as connection:
            connection.execute("pragma user_version = 0")
            connection.execute("vacuum")
    before = victim.read_bytes() if victim.exists() else None
    link(path, victim)
    if victim.exists():
        with pytest.raises(SnapshotsUnusable, match="is a link to another file"):
            SqliteSnapshots.open_to_read(path)
    snapshots = SqliteSnapshots.open(path)
    snapshots.store(WATERMARK, [snapshot("p", 1)])
    snapshots.close()
    assert (victim.read_bytes() if victim.exists() else None) == before
    assert (path.is_symlink(), path.stat().st_nlink) == (False, 1)


def test_the_newest_snapshot_of_a_process_is_kept_and_found(path: Path) -> None:
    snapshots = SqliteSnapshots.open(path)
    assert (snapshots.watermark(), snapshots.find("p")) == (None, None)
    snapshots.store(WATERMARK, [snapshot("p", 1), snapshot("q", 2)])
    snapshots.store(Head(12, bytes(32)), [snapshot("p", 5, b"[]")])
    assert snapshots.find("p") == snapshot("p", 5, b"[]")
    assert snapshots.find("q") == snapshot("q", 2)
    assert list(snapshots.places()) == [(3, "q", 2), (6, "p", 5)]
    assert snapshots.watermark() == Head(12, bytes(32))
    snapshots.close()
    reader = SqliteSnapshots.open_to_read(path)
    assert reader is not None
    assert reader.find("p") == snapshot("p", 5, b"[]")


def test_every_field_is_in_the_mac(path: Path) -> None:
    key, original = SnapshotKey(bytes(32)), snapshot("p", 1)
    others = [
        Snapshot("q", 1, 2, "module@1", "owner", bytes(32), b"{}"),
        Snapshot("p", 2, 2, "module@1", "owner", bytes(32), b"{}"),
        Snapshot("p", 1, 3, "module@1", "owner", bytes(32), b"{}"),
        Snapshot("p", 1, 2, "module@2", "owner", bytes(32), b"{}"),
        Snapshot("p", 1, 2, "module@1", "other", bytes(32), b"{}"),
        Snapshot("p", 1, 2, "module@1", "owner", bytes([1] * 32), b"{}"),
        Snapshot("p", 1, 2, "module@1", "owner", bytes(32), b"{ }"),
    ]
    assert len({key.mac_of_snapshot(one) for one in [original, *others]}) == 8
    watermarks = [(WATERMARK, ["m", "n"]), (WATERMARK, ["mn"]), (Head(8, bytes(32)), ["m", "n"]), (WATERMARK, [])]
    assert len({key.mac_of_watermark(*each) for each in [*watermarks, (Head(9, bytes(31)), ["m", "n"])]}) == 5
    assert key.mac_of_snapshot(original) != SnapshotKey(bytes([1] * 32)).mac_of_snapshot(original)


def test_the_key_is_made_once_and_only_its_owner_may_read_it(path: Path) -> None:
    old_mask = os.umask(0)
    try:
        SqliteSnapshots.open(path).close()
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(key_path(path).stat().st_mode) == 0o600
    key = key_path(path).read_bytes()
    assert (len(key), len(set(key)) > 1) == (32, True)
    SqliteSnapshots.open(path).close()
    assert key_path(path).read_bytes() == key


def test_when_writing_fails_what_was_kept_stays(path: Path) -> None:
    snapshots = SqliteSnapshots.open(path)
    snapshots.store(WATERMARK, [snapshot("p", 1)])
    snapshots._connection.execute("pragma max_page_count = 10")
    with pytest.raises(SnapshotsUnusable, match="could not be written"):
        snapshots.store(Head(10, bytes(32)), [snapshot("p", 5, bytes(10**6))])
    assert (snapshots.watermark(), snapshots.find("p")) == (WATERMARK, snapshot("p", 1))


def test_a_file_that_is_none_is_made_anew_by_a_writer_and_named_by_a_reader(path: Path) -> None:
    path.write_text("no SQLite file, and long enough not to be taken for an empty one" * 50)
    with pytest.raises(SnapshotsUnusable, match="remove it, it follows from the log"):
        SqliteSnapshots.open_to_read(path)
    SqliteSnapshots.open(path).store(WATERMARK, [])
    assert SqliteSnapshots.open(path).watermark() == WATERMARK
    assert SqliteSnapshots.open_to_read(path.with_name("missing")) is None
