"""A message that was seen is never taken for a new one."""

from pathlib import Path

import pytest

from actors import Limits
from actors.node.id_filter import IdFilter
from eventstore.records import ID_START
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import an_id, append, assignments


@pytest.fixture
def log(path: Path) -> SqliteLog:
    log = SqliteLog.open(path)
    append(log, assignments(1000), expected=0)
    return log


def test_whatever_was_added_may_be_held_and_hardly_anything_else(
    log: SqliteLog,
) -> None:
    seen = IdFilter(Limits(id_filter_min=100))  # so that it has to grow
    seen.read(log)
    for number in range(5000):
        seen.add(an_id(number))
    assert all(seen.may_contain(an_id(number)) for number in range(5000))
    assert all(seen.may_contain(row.message.id) for row in log.read())
    assert sum(seen.may_contain(an_id(number)) for number in range(10_000, 20_000)) < 500
    log.close()


def test_until_the_log_was_read_it_may_hold_anything(log: SqliteLog) -> None:
    seen = IdFilter(Limits())
    assert seen.may_contain(an_id("new"))
    seen.close()
    seen.read(log)  # which ends early
    assert seen.may_contain(an_id("new"))
    log.close()


def test_every_id_of_a_log_is_read(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.sqlite.message_ids._READ_AT_ONCE", 100)
    parts = list(log.id_prefixes())
    assert max(map(len, parts)) == 100
    assert {start for part in parts for start in part} == {row.message.id[:ID_START] for row in log.read()}
    log.close()
