"""Splitting a log into partitions by process, replaying them, and combining the results."""

import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import Assignment, Message, Replay, Sequencer
from eventstore.replay.partitioned import (
    LogTail,
    Partition,
    PartitionReplay,
    PartitionSummary,
    in_flight_messages,
)
from eventstore.replay.sequential import describe
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import an_id, append, assignments, message
from tests.eventstore.replay.test_sequential import Evaluated

ROWS = 700
PROCESSES = 7


NAMES = st.text(st.characters(max_codepoint=sys.maxunicode - 1, exclude_categories=["Cs"]), max_size=4)
"""Ids without the character before which the last partition stops."""


@given(sample=st.lists(NAMES), count=st.integers(1, 6), process=NAMES)
def test_whatever_the_sample_every_process_is_in_one_share(sample: list[str], count: int, process: str) -> None:
    partitions = Partition.split(sample, count)
    assert len(partitions) == count
    assert sum(partition.contains(process) for partition in partitions) == 1


@given(weights=st.lists(st.integers(1, 20), min_size=40, max_size=80), count=st.integers(2, 4))
def test_shares_are_of_one_size_but_for_a_process(weights: list[int], count: int) -> None:
    rows = [an_id(f"process {number}") for number, weight in enumerate(weights) for _ in range(weight)]
    for partition in Partition.split(rows, count):
        assert abs(sum(map(partition.contains, rows)) - len(rows) / count) <= max(weights)


@pytest.fixture
def log(path: Path) -> SqliteLog:
    log = SqliteLog.open(path)
    append(log, assignments(ROWS), expected=0)
    return log


@pytest.mark.parametrize(("rows", "until", "size"), [(50, ROWS, 50), (50, 100, 50), (50, 20, 20), (5000, 70, 70)])
def test_a_sample_is_taken_evenly_from_the_rows_up_to_a_sequence(
    log: SqliteLog, rows: int, until: int, size: int
) -> None:
    processes = [assignment.process for assignment in log.read(until=until)]
    sample = log.sample(rows, until=until)
    distance = max(1, until // rows)
    assert sample == processes[distance - 1 :: distance]
    assert len(sample) == size
    log.close()


def test_a_sample_of_no_rows_is_empty(log: SqliteLog) -> None:
    assert log.sample(50, until=0) == []
    log.close()


def test_processes_that_are_no_text_are_no_hindrance(log: SqliteLog, path: Path) -> None:
    before = Counter(log.sample(ROWS, until=ROWS))
    log._connection.execute("update assignments set process = x'ff00fe' where sequence = 3")
    log._connection.execute("update assignments set process = 17 where sequence = 4")
    assert len(Counter(log.sample(ROWS, until=ROWS)) - before) == 2
    assert len(Partition.split(log.sample(ROWS, until=ROWS), 2)) == 2
    log.close()


def evaluated(assignment: Assignment) -> Evaluated:
    """Each external message sends two: to the next process, and to the one after it."""
    if assignment.message.parent is not None:
        return Evaluated([], "inside")
    sequence, number = assignment.sequence, int(assignment.message.data)
    targets = ((number + 1) % PROCESSES, (number + 2) % PROCESSES)
    return Evaluated([sent(sequence, index, target) for index, target in enumerate(targets)], "outside")


def sent(parent: int, index: int, target: int) -> Message:
    sender = an_id(f"process {(target - index - 1) % PROCESSES}")
    sample = message(-1, process=target, parent=parent)
    return msgspec.structs.replace(sample, id=an_id(f"{parent} sends {index}"), sender=sender)


def conversation(count: int) -> list[Assignment]:
    sequencer, rows = Sequencer(), []
    for number in range(count):
        data = str(number % PROCESSES).encode()
        external = sequencer.assign(message(number, process=number % PROCESSES, data=data), number)
        rows += [external, *(sequencer.assign(child, number) for child in evaluated(external).outbox)]
    for row in rows:
        row.output = evaluated(row).output
    return rows


def summaries_of(log: SqliteLog, until: int, count: int) -> tuple[list[PartitionSummary], LogTail]:
    tail, summaries = log.tail(until), []
    for partition in Partition.split(log.sample(1000, until=until), count):
        replay = PartitionReplay(log, partition, evaluated, key=b"key", in_flight_from=tail.internal_parent)
        replay.follow(until, lambda _: None)
        summaries.append(replay.summary())
    return summaries, tail


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("cut_off", [0, 1, 2])
def test_messages_in_flight_are_those_that_a_sequential_replay_still_has_to_send(
    path: Path, count: int, cut_off: int
) -> None:
    rows = conversation(100)
    rows = rows[: len(rows) - cut_off]
    log = SqliteLog.open(path)
    append(log, rows, expected=0)
    summaries, tail = summaries_of(log, len(rows), count)
    in_flight = in_flight_messages(summaries, events=len(rows), tail=tail)
    sequential = Replay(evaluated)
    sequential.follow(log.read())
    assert in_flight is not None
    assert [message.description for message in in_flight] == [*map(describe, sequential.pending_outbox)]
    assert len(in_flight) == cut_off
    log.close()


def test_a_log_of_which_partitions_saw_other_messages_is_invalid(path: Path) -> None:
    rows = conversation(100)
    log = SqliteLog.open(path)
    append(log, rows, expected=0)
    summaries, tail = summaries_of(log, len(rows), 3)
    assert in_flight_messages(summaries, events=len(rows), tail=tail) == []
    assert in_flight_messages(summaries, events=len(rows) + 1, tail=tail) is None
    assert in_flight_messages(summaries[1:], events=sum(summary.rows for summary in summaries[1:]), tail=tail) is None
    balance = hex(int(summaries[0].balance, 16) + 1)
    changed = [msgspec.structs.replace(summaries[0], balance=balance), *summaries[1:]]
    assert in_flight_messages(changed, events=len(rows), tail=tail) is None
    log.close()


def test_the_tail_of_a_log_has_its_last_external_message_and_the_last_parent(path: Path) -> None:
    log = SqliteLog.open(path)
    assert log.tail(0) == LogTail(0, 0)
    append(log, conversation(3), expected=0)
    assert [log.tail(until) for until in (1, 2, 4, 9)] == [(1, 0), (1, 1), (4, 1), (7, 7)]
    log.close()
