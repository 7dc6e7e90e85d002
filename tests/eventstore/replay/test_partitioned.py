"""How a log is cut into shares of its processes."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.replay.partitioned import Partition
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import an_id, append, assignments

ROWS = 700


NAMES = st.text(st.characters(max_codepoint=sys.maxunicode - 1, exclude_categories=["Cs"]), max_size=4)
"""What the last share ends before is no character of them."""


@given(sample=st.lists(NAMES), shares=st.integers(1, 6), process=NAMES)
def test_whatever_the_sample_every_process_is_in_one_share(sample: list[str], shares: int, process: str) -> None:
    cut = Partition.cut(sample, shares)
    assert len(cut) == shares
    assert sum(share.holds(process) for share in cut) == 1


@given(weights=st.lists(st.integers(1, 20), min_size=40, max_size=80), shares=st.integers(2, 4))
def test_shares_are_of_one_size_but_for_a_process(weights: list[int], shares: int) -> None:
    rows = [an_id(f"process {number}") for number, weight in enumerate(weights) for _ in range(weight)]
    for share in Partition.cut(rows, shares):
        assert abs(sum(map(share.holds, rows)) - len(rows) / shares) <= max(weights)


@pytest.fixture
def log(path: Path) -> SqliteLog:
    log = SqliteLog.open(path)
    append(log, assignments(ROWS), expected=0)
    return log


@pytest.mark.parametrize(("rows", "until", "found"), [(50, ROWS, 50), (50, 100, 50), (50, 20, 20), (5000, 70, 70)])
def test_a_sample_is_taken_evenly_from_the_rows_up_to_a_sequence(
    log: SqliteLog, rows: int, until: int, found: int
) -> None:
    processes = [assignment.process for assignment in log.read(until=until)]
    sample = log.sample(rows, until=until)
    apart = max(1, until // rows)
    assert sample == processes[apart - 1 :: apart]
    assert len(sample) == found
    log.close()


def test_a_sample_of_no_rows_is_empty(log: SqliteLog) -> None:
    assert log.sample(50, until=0) == []
    log.close()


def test_processes_that_are_no_text_are_no_hindrance(log: SqliteLog, path: Path) -> None:
    in_order = Counter(log.sample(ROWS, until=ROWS))
    log._connection.execute("update assignments set process = x'ff00fe' where sequence = 3")
    log._connection.execute("update assignments set process = 17 where sequence = 4")
    assert len(Counter(log.sample(ROWS, until=ROWS)) - in_order) == 2
    assert len(Partition.cut(log.sample(ROWS, until=ROWS), 2)) == 2
    log.close()
