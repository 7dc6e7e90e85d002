from pathlib import Path

import pytest
import sqlite_utils

from eventstore import LogInUse, LogMissing, LogUnusable
from eventstore.sqlite.file_format import EXCERPT_ID, FORMAT
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.upgrade import upgrade
from tests.eventstore.logs import an_id, append, assignments, write_in_format

BATCH = assignments(600)


@pytest.fixture(params=[2, 3])
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def older(path: Path, tmp_path: Path, number: int) -> Path:
    newest = SqliteLog.open(tmp_path / "newest.db")
    append(newest, BATCH, expected=0)
    newest.close()
    write_in_format(number, path, tmp_path / "newest.db")
    return path


def test_a_log_of_an_older_format_says_how_it_becomes_readable(older: Path, number: int) -> None:
    with pytest.raises(LogUnusable, match=f"format {number}; this version reads format {FORMAT}: run `mostao upgrade"):
        SqliteLog.open_to_read(older)


def test_it_is_brought_to_the_newest_with_its_events_as_they_are(older: Path, number: int) -> None:
    old_format, head = upgrade(older)
    assert (old_format, head) == (number, (600, BATCH[-1].log_chain))
    log = SqliteLog.open_to_read(older)
    assert list(log.read()) == BATCH
    assert (log.unindexed_row(600), log.bad_index_entry()) == (None, None)
    assert all(log.find(row.message.id) == row for row in BATCH)
    assert list(log.read_process(an_id("process 1"))) == BATCH[1::3]
    assert len(list(log.tree_nodes())) == 2
    log.close()
    assert upgrade(older) == (FORMAT, head)


def test_an_excerpt_stays_one(older: Path, number: int) -> None:
    sqlite_utils.Database(older).execute(f"pragma application_id = {EXCERPT_ID}")
    assert upgrade(older) == (number, (600, BATCH[-1].log_chain))
    with pytest.raises(LogUnusable, match="is an excerpt of another log"):
        SqliteLog.open(older)
    log = SqliteLog.open_to_read(older, excerpt=True)
    assert (log.is_excerpt, list(log.read())) == (True, BATCH)
    log.close()


def test_it_goes_on_like_any_other(older: Path) -> None:
    log = SqliteLog.open(older)
    more = assignments(900)[600:]
    append(log, more, expected=600)
    assert (list(log.read(after=600)), log.unindexed_row(900), log.bad_index_entry()) == (more, None, None)
    log.close()


def test_a_log_that_is_being_written_is_left_alone(older: Path) -> None:
    log = SqliteLog.open(older)
    with pytest.raises(LogInUse):
        upgrade(older)
    log.close()


def test_what_is_no_log_is_left_as_it_is(path: Path) -> None:
    with pytest.raises(LogMissing):
        upgrade(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(LogUnusable, match="is empty"):
        upgrade(path)
    assert path.read_bytes() == b""
    path.write_bytes(b"A picture of a cat, say." * 100)
    with pytest.raises(LogUnusable, match="not a mostao log"):
        upgrade(path)
    path.unlink()
    sqlite_utils.Database(path)["cats"].insert({"name": "Tom"})
    with pytest.raises(LogUnusable, match="not a mostao log"):
        upgrade(path)
