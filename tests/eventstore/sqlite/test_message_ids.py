"""Lookups by message id at any length of a log, and the detection of changed index entries."""

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
"""The file header, in which SQLite counts the changes of the file."""
BATCH = assignments(21_000)
"""From 16,384 rows on, an id batch is longer than a subtree, so it enters the table in parts."""


@contextmanager
def writing(path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog.open(path)
    try:
        yield log
    finally:
        log.close()


def fill(log: SqliteLog, until: int, *, after: int = 0, size: int = 1000) -> None:
    for start in range(after, until, size):
        append(log, BATCH[start : min(start + size, until)], expected=start)


def entries(path: Path) -> list[tuple[str, int]]:
    log = SqliteLog.open_to_read(path)
    try:
        return list(log._connection.execute("select id_start, sequence from ids order by sequence"))
    finally:
        log.close()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in the middle of an id batch. Half of the previous batch is in the table."""
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
    rows = entries(long)
    assert all(BATCH[sequence - 1].message.id.startswith(prefix) for prefix, sequence in rows)
    all_indexed = indexed_up_to(LONG)
    assert [sequence for _, sequence in rows[:all_indexed]] == list(range(1, all_indexed + 1))
    assert len(rows) == all_indexed + FAN


def test_every_message_is_found_at_any_length_also_by_who_reads_meanwhile(path: Path) -> None:
    with writing(path) as log:
        append(log, BATCH[:1], expected=0)
        reader = SqliteLog.open_to_read(path)
        try:
            for before, after in pairwise(
                [1, 200, 256, 300, 512, 513, 768, 1024, 5000, 8192, 8193, 8704, 9300, 16_384, 16_385, 16_900, LONG]
            ):
                fill(log, after, after=before)
                sampled = [*BATCH[:after:97], *BATCH[max(after - 600, 0) : after : 7], BATCH[after - 1]]
                ids = [row.message.id for row in sampled]
                assert (
                    log.existing_ids([*ids, an_id("nothing")])
                    == reader.existing_ids([*ids, an_id("nothing")])
                    == set(ids)
                )
                assert [reader.find(message_id) for message_id in ids[::5]] == sampled[::5]
                assert reader.find(an_id("nothing")) is None
                prefixes = [prefix for part in reader.id_prefixes() for prefix in part]
                assert set(prefixes) == {row.message.id[:ID_START] for row in BATCH[:after]}
                assert (log.unindexed_row(after), log.bad_index_entry()) == (None, None)
        finally:
            reader.close()


def with_message(row: Assignment, message: int) -> Assignment:
    return msgspec.structs.replace(row, message=BATCH[message].message)


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize(
    "first",
    [0, 16_500, 17_000, LONG - 1],
    ids=["long ago", "in the previous batch", "in the current batch", "just now"],
)
def test_a_message_that_is_there_is_not_appended_again(copied: Path, long: Path, first: int, reopened: bool) -> None:
    with writing(copied) as log:
        rows = LONG
        if not reopened:
            rows += 10
            fill(log, rows, after=LONG)
        for message in (first, rows + 2):
            with pytest.raises(LogFailed, match="a message with this id is there already"):
                append(log, [*BATCH[rows : rows + 5], with_message(BATCH[rows + 5], message)], expected=rows)
        fill(log, len(BATCH), after=rows)  # the refused appends have no effect on later ones
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


@pytest.mark.parametrize("at", [500, 16_500], ids=["long ago", "in the previous batch"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_entry_can_be_changed_unnoticed(copied: Path, change: str, at: int) -> None:
    with writing(copied) as log:
        assert (log.unindexed_row(LONG), log.bad_index_entry()) == (None, None)
        all_indexed = indexed_up_to(LONG)
        sequence = log._connection.execute("select min(sequence) from ids where sequence >= ?", (at,)).fetchone()[0]
        assert (sequence <= all_indexed) == (at == 500)
        log._connection.execute(change.format(at=sequence, end=LONG))
        assert log.unindexed_row(LONG) is not None or log.bad_index_entry() is not None
