"""``sequence_at``, which searches a log by time. The conformance suite tests the commit logs themselves."""

import msgspec
import pytest

from eventstore import Head, sequence_at
from eventstore.memory.commit_log import MemoryCommitLog
from tests.eventstore.logs import append, assignments


def log_with_times(*timestamps: int) -> MemoryCommitLog:
    log = MemoryCommitLog()
    rows = assignments(len(timestamps))
    batch = [msgspec.structs.replace(row, timestamp=timestamp) for row, timestamp in zip(rows, timestamps, strict=True)]
    if batch:
        append(log, batch, expected=0)
    return log


def test_an_empty_log_has_no_sequence_at_any_time() -> None:
    assert sequence_at(log_with_times(), 2**62) == 0


@pytest.mark.parametrize(
    ("timestamp", "sequence"), [(9, 0), (10, 2), (11, 2), (29, 2), (30, 5), (39, 5), (40, 6), (10**6, 6)]
)
def test_the_last_of_several_events_of_one_time_is_found(timestamp: int, sequence: int) -> None:
    assert sequence_at(log_with_times(10, 10, 30, 30, 30, 40), timestamp) == sequence


def test_the_head_after_an_assignment_has_its_sequence_and_log_chain() -> None:
    row = assignments(3)[-1]
    assert Head.at(row) == (3, row.log_chain)
