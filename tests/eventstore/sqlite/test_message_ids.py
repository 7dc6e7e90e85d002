"""Messages are found by their ids wherever they stand, and what they are found by cannot be changed unnoticed."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from shutil import copyfile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore import Assignment, LogFailed
from eventstore.merkle.tiles import FAN
from eventstore.records import ID_START
from eventstore.sqlite.id_batches import indexed_up_to
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import an_id, append, assignments

LONG = 17_160
_HEADER_BYTES = 100
"""There SQLite counts how often a file was closed."""
BATCH = assignments(21_000)
"""From 16,384 on a chunk is longer than a subtree, and goes into the table in parts."""


@contextmanager
def writing(path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog.open(path)
    try:
        yield log
    finally:
        log.close()


def fill(log: SqliteLog, until: int, *, after: int = 0, at_once: int = 1000) -> None:
    for start in range(after, until, at_once):
        append(log, BATCH[start : min(start + at_once, until)], expected=start)


def entries(path: Path) -> list[tuple[str, int]]:
    log = SqliteLog.open_to_read(path)
    try:
        return list(log._connection.execute("select id_start, sequence from ids order by sequence"))
    finally:
        log.close()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in the middle of a chunk, of the one before which half is in the table."""
    path = tmp_path_factory.mktemp("ids") / "long.db"
    with writing(path) as log:
        fill(log, LONG)
    return path


@pytest.fixture
def copied(path: Path, long: Path) -> Path:
    return Path(copyfile(long, path))


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=5), reopened=st.sets(st.integers(0, 4)))
def test_which_ids_are_in_the_table_follows_from_the_rows_alone(
    tmp_path_factory: pytest.TempPathFactory, long: Path, sizes: list[int], reopened: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    at_once, in_parts = (Path(copyfile(long, folder / name)) for name in ("at once.db", "in parts.db"))
    written = LONG
    log = SqliteLog.open(in_parts)
    for number, size in enumerate(sizes):
        append(log, BATCH[written : written + size], expected=written)
        written += size
        if number in reopened:
            log.close()
            log = SqliteLog.open(in_parts)
    log.close()
    with writing(at_once) as log:
        append(log, BATCH[LONG:written], expected=LONG)
    assert at_once.read_bytes()[_HEADER_BYTES:] == in_parts.read_bytes()[_HEADER_BYTES:]


def test_what_is_in_the_table_is_true_and_soon_all_of_it(long: Path) -> None:
    found = entries(long)
    assert all(BATCH[sequence - 1].message.id.startswith(start) for start, sequence in found)
    whole = indexed_up_to(LONG)
    assert [sequence for _, sequence in found[:whole]] == list(range(1, whole + 1))
    assert len(found) == whole + FAN


def test_every_message_is_found_at_any_length_also_by_who_reads_meanwhile(path: Path) -> None:
    with writing(path) as log:
        append(log, BATCH[:1], expected=0)
        reader = SqliteLog.open_to_read(path)
        try:
            for before, after in pairwise(
                [1, 200, 256, 300, 512, 513, 768, 1024, 5000, 8192, 8193, 8704, 9300, 16_384, 16_385, 16_900, LONG]
            ):
                fill(log, after, after=before)
                some = [*BATCH[:after:97], *BATCH[max(after - 600, 0) : after : 7], BATCH[after - 1]]
                ids = [row.message.id for row in some]
                assert (
                    log.existing_ids([*ids, an_id("nothing")])
                    == reader.existing_ids([*ids, an_id("nothing")])
                    == set(ids)
                )
                assert [reader.find(one) for one in ids[::5]] == some[::5]
                assert reader.find(an_id("nothing")) is None
                starts = [start for part in reader.id_prefixes() for start in part]
                assert set(starts) == {row.message.id[:ID_START] for row in BATCH[:after]}
                assert (log.unindexed_row(after), log.bad_index_entry()) == (None, None)
        finally:
            reader.close()


def again(row: Assignment, message: int) -> Assignment:
    return msgspec.structs.replace(row, message=BATCH[message].message)


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize(
    "first", [0, 16_500, 17_000, LONG - 1], ids=["long ago", "a chunk before", "in this chunk", "just now"]
)
def test_a_message_that_is_there_is_not_appended_again(copied: Path, long: Path, first: int, reopened: bool) -> None:
    with writing(copied) as log:
        rows = LONG
        if not reopened:
            rows += 10
            fill(log, rows, after=LONG)
        for message in (first, rows + 2):
            with pytest.raises(LogFailed, match="a message with this id is there already"):
                append(log, [*BATCH[rows : rows + 5], again(BATCH[rows + 5], message)], expected=rows)
        fill(log, len(BATCH), after=rows)  # and what comes then is as if nothing had been
        assert (log.bad_index_entry(), log.unindexed_row(len(BATCH))) == (None, None)


CHANGES = {
    "another beginning": "update ids set id_start = 'AAAAAAAA' where sequence = {at}",
    "another place": "update ids set sequence = {at} + 100000 where sequence = {at}",
    "gone": "delete from ids where sequence = {at}",
    "one more": "insert into ids values ('AAAAAAAA', {at})",
    "one more at no row": "insert into ids select id_start, 100000 from ids where sequence = {at}",
    "no text": "update ids set id_start = cast(id_start as blob) where sequence = {at}",
    "no number": "insert into ids select id_start, 'somewhere' from ids where sequence = {at}",
    "before its turn": "insert into ids select substr(message_id, 1, 8), sequence from assignments"
    " where sequence = {end}",
}


@pytest.mark.parametrize("at", [500, 16_500], ids=["long ago", "in the chunk before"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_entry_can_be_changed_unnoticed(copied: Path, change: str, at: int) -> None:
    with writing(copied) as log:
        assert (log.unindexed_row(LONG), log.bad_index_entry()) == (None, None)
        whole = indexed_up_to(LONG)
        found = log._connection.execute("select min(sequence) from ids where sequence >= ?", (at,)).fetchone()[0]
        assert (found <= whole) == (at == 500)
        log._connection.execute(change.format(at=found, end=LONG))
        assert log.unindexed_row(LONG) is not None or log.bad_index_entry() is not None
