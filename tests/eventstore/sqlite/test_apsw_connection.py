import sqlite3
from itertools import islice
from pathlib import Path

import pytest

from eventstore import LogFailed, LogMissing, LogUnusable, PositionConflict
from eventstore.replay.partitioned import Partition
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import an_id, append, assignments

ROWS = 700


@pytest.fixture
def written(path: Path) -> Path:
    log = SqliteLog.open(path)
    append(log, assignments(ROWS), expected=0)
    log.close()
    return path


def everything(log: SqliteLog) -> list[object]:
    first = next(log.read())
    return [
        list(log.read()),
        *(list(log.read_partition(part, until=ROWS)) for part in Partition.split(log.sample(50, until=ROWS), 2)),
        log.head(),
        log.leaves(0, ROWS),
        list(log.tree_nodes()),
        log.exists_from(first.process),
        log.exists_from(an_id("nothing")),
        log.payloads(first.process, [0, 2]),
        log.first_of_run(ROWS),
        log.tail(ROWS),
    ]


def test_both_libraries_read_the_same(written: Path) -> None:
    results = []
    for exclusive in (False, True):
        log = SqliteLog.open_to_read(written, exclusive=exclusive)
        results.append(everything(log))
        log.close()
    assert results[0] == results[1]


def test_what_either_library_writes_the_other_reads(path: Path) -> None:
    batch = assignments(ROWS)
    log = SqliteLog.open(path)
    append(log, batch[:300], expected=0)
    log.close()
    delegate = SqliteLog.open_as_delegate(path)
    delegate.append(batch[300:], expected=300, epoch=1)
    with pytest.raises(PositionConflict):
        delegate.append(batch[300:], expected=300, epoch=1)
    delegate.close()
    log = SqliteLog.open(path)
    assert list(log.read()) == batch
    assert log.head() == (ROWS, batch[-1].log_chain)
    assert [node.number for node in log.tree_nodes()] == [0, 1]
    log.close()


def test_the_write_ahead_log_is_folded_in_when_it_is_asked_for_and_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteLog.open(path).close()
    monkeypatch.setattr("eventstore.sqlite.log.WAL_PAGES", 50)
    delegate = SqliteLog.open_as_delegate(path)
    batch = assignments(ROWS)
    sizes = [path.stat().st_size]
    for stop in range(100, ROWS + 1, 100):
        delegate.append(batch[stop - 100 : stop], expected=stop - 100, epoch=0)
        sizes.append(path.stat().st_size)
    assert len(set(sizes)) == 1  # ``maintain`` was not called
    delegate.maintain()
    grown = path.stat().st_size
    assert grown > 5 * sizes[0]
    more = assignments(ROWS + 1)[ROWS:]
    delegate.append(more, expected=ROWS, epoch=0)
    delegate.maintain()
    assert path.stat().st_size == grown  # the write-ahead log is short
    delegate.close()
    log = SqliteLog.open(path)
    assert list(log.read()) == [*batch, *more]
    log.close()


def test_a_batch_that_is_refused_leaves_nothing(written: Path) -> None:
    delegate = SqliteLog.open_as_delegate(written)
    batch = assignments(ROWS + 2)[ROWS:]
    batch[1].message = batch[0].message  # the id of another slot's message
    with pytest.raises(LogFailed, match="a message with this id is there already"):
        delegate.append(batch, expected=ROWS, epoch=1)
    assert delegate.head().sequence == ROWS
    delegate.append(assignments(ROWS + 2)[ROWS:], expected=ROWS, epoch=1)
    delegate.close()


def test_errors_are_those_of_the_other_library(written: Path, tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        SqliteLog.open_to_read(tmp_path / "none.db", exclusive=True)
    other = tmp_path / "other.db"
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(LogUnusable, match="is not a database"):
        SqliteLog.open_to_read(other, exclusive=True)
    log = SqliteLog.open_to_read(written, exclusive=True)
    with pytest.raises(sqlite3.Error, match="readonly"):
        log._connection.execute("delete from assignments")
    log.close()


def test_a_page_that_is_broken_is_met_on_the_way(written: Path) -> None:
    raw = bytearray(written.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 8 * 4096] = bytes(8 * 4096)
    written.write_bytes(raw)
    log = SqliteLog.open_to_read(written, exclusive=True)
    rows = log.read()
    assert len(list(islice(rows, 100))) == 100
    with pytest.raises(LogUnusable, match=r"malformed\): the file is damaged, restore a copy"):
        list(rows)
    log.close()
