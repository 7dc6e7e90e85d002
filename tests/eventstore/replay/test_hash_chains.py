"""Verification of the hash chains of every row."""

from pathlib import Path

import msgspec
import pytest

from eventstore import Assignment, LogFault
from eventstore.memory.commit_log import MemoryCommitLog
from eventstore.merkle.tiles import FAN
from eventstore.replay.hash_chains import ChainReport, check_chains
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import append, assignments

ROWS = 2 * FAN + 20
BATCH = assignments(ROWS)


def log_of(rows: list[Assignment]) -> MemoryCommitLog:
    log = MemoryCommitLog()
    append(log, rows, expected=0)
    return log


def check(rows: list[Assignment], **options: object) -> ChainReport:
    return check_chains(log_of(rows), until=len(rows), progress=lambda _: None, **options)  # type: ignore[arg-type]


def changed(at: int, **fields: object) -> list[Assignment]:
    rows = [*BATCH]
    rows[at] = msgspec.structs.replace(rows[at], **fields)
    return rows


def test_a_correct_log_has_no_fault_and_the_tree_that_the_log_stores(path: Path) -> None:
    log = SqliteLog.open(path)
    append(log, BATCH, expected=0)
    progress: list[int] = []
    report = check_chains(log, until=ROWS, progress=progress.append)
    assert report.faults == []
    assert report.nodes == [node.hash for node in log.tree_nodes() if node.level == 1]
    assert progress == list(range(1, ROWS + 1))
    log.close()


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"process_chain": bytes(32)}, ["process chain"]),
        ({"log_chain": bytes(32)}, ["log chain"]),
        ({"process_chain": bytes(32), "log_chain": bytes(32)}, ["process chain", "log chain"]),
        ({"timestamp": 0}, ["log chain"]),
        ({"slot": 7}, ["log chain"]),
    ],
)
def test_a_changed_row_is_the_first_fault(fields: dict[str, object], what: list[str]) -> None:
    report = check(changed(10, **fields))
    assert [(fault.sequence, fault.what) for fault in report.faults] == [(11, part) for part in what]


def test_rows_after_a_changed_chain_are_verified_against_the_chain_in_the_log() -> None:
    report = check(changed(10, log_chain=bytes(32)), all_faults=True)
    assert [(fault.sequence, fault.what) for fault in report.faults] == [
        (11, "log chain"),
        (12, "log chain"),  # the next row
        (14, "process chain"),  # the next row of the same process, with which its own log chain is wrong too
        (14, "log chain"),
    ]


def test_a_malformed_row_ends_the_check_even_if_all_faults_are_wanted() -> None:
    report = check(changed(10, timestamp="noon"), all_faults=True)
    assert [(fault.sequence, fault.what) for fault in report.faults] == [(11, "malformed row")]


def test_the_extra_check_gets_external_rows_with_correct_chains() -> None:
    checked: list[int] = []

    def refuse_row_20(assignment: Assignment) -> LogFault | None:
        checked.append(assignment.sequence)
        return LogFault.at(assignment, "extra", 1, 2) if assignment.sequence == 20 else None

    rows = changed(10, process_chain=bytes(32))
    report = check(rows, extra_check=refuse_row_20, all_faults=True)
    assert 11 not in checked
    assert report.checked == len(checked) - 1
    assert (20, "extra") in [(fault.sequence, fault.what) for fault in report.faults]
