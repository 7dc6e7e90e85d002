"""The contract of ``CommitLog``, tested on every engine."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from eventstore import Assignment, CommitLog, Head, LogFailed, PositionConflict, StaleEpoch, sequence_at
from eventstore.memory.commit_log import MemoryCommitLog
from eventstore.sequencer import GENESIS_CHAIN
from tests.eventstore.conformance.engines import ENGINES, Engine
from tests.eventstore.logs import append, assignments

BATCH = assignments(60)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


def sequences(rows: Sequence[Assignment]) -> list[int]:
    return [row.sequence for row in rows]


def test_an_empty_log_has_the_head_of_a_log_without_events(engine: Engine) -> None:
    log = engine.open()
    assert log.head() == Head(0, GENESIS_CHAIN)
    assert list(log.read()) == []
    log.close()


def test_batches_are_read_back_in_order_and_the_head_is_at_the_last(engine: Engine) -> None:
    log = engine.open()
    assert append(log, BATCH[:20], expected=0) == Head.at(BATCH[19])
    assert append(log, BATCH[20:], expected=20) == log.head() == Head.at(BATCH[-1])
    assert list(log.read()) == BATCH
    assert list(log.read(after=10)) == BATCH[10:]
    assert list(log.read(after=10, until=20)) == BATCH[10:20]
    assert list(log.read(after=60)) == []
    log.close()


@pytest.mark.parametrize("expected", [0, 19, 21, 60])
def test_an_append_at_a_wrong_position_is_rejected_and_changes_nothing(engine: Engine, expected: int) -> None:
    log = engine.open()
    lease = log.take_lease("writer")
    log.append(BATCH[:20], expected=0, epoch=lease.epoch)
    with pytest.raises(PositionConflict) as conflict:
        log.append(BATCH[20:], expected=expected, epoch=lease.epoch)
    assert (conflict.value.expected, conflict.value.found) == (expected, 20)
    assert list(log.read()) == BATCH[:20]
    log.append(BATCH[20:], expected=20, epoch=lease.epoch)
    log.close()


def test_an_append_with_a_stale_epoch_is_rejected_and_changes_nothing(engine: Engine) -> None:
    log = engine.open()
    old = log.take_lease("old")
    log.append(BATCH[:20], expected=0, epoch=old.epoch)
    new = log.take_lease("new")
    assert new.epoch > old.epoch
    with pytest.raises(StaleEpoch) as stale:
        log.append(BATCH[20:], expected=20, epoch=old.epoch)
    assert (stale.value.epoch, stale.value.current) == (old.epoch, new.epoch)
    assert list(log.read()) == BATCH[:20]
    log.append(BATCH[20:], expected=20, epoch=new.epoch)
    log.close()


def test_an_epoch_that_was_never_taken_is_rejected(engine: Engine) -> None:
    log = engine.open()
    lease = log.take_lease("writer")
    for epoch in (lease.epoch - 1, lease.epoch + 1):
        with pytest.raises(StaleEpoch):
            log.append(BATCH, expected=0, epoch=epoch)
    assert log.head().sequence == 0
    log.close()


def test_a_batch_that_does_not_begin_at_the_end_is_rejected(engine: Engine) -> None:
    log = engine.open()
    epoch = log.take_lease("writer").epoch
    with pytest.raises(PositionConflict):
        log.append(BATCH[5:8], expected=0, epoch=epoch)
    assert log.head().sequence == 0
    log.append(BATCH[:5], expected=0, epoch=epoch)
    log.close()


@pytest.mark.parametrize("batch", [[], [BATCH[0], BATCH[2]], [BATCH[0], BATCH[0]]], ids=["empty", "gap", "repeated"])
def test_a_batch_that_is_no_range_is_rejected(engine: Engine, batch: list[Assignment]) -> None:
    log = engine.open()
    epoch = log.take_lease("writer").epoch
    with pytest.raises(ValueError, match="a batch"):
        log.append(batch, expected=0, epoch=epoch)
    assert list(log.read()) == []
    log.append(BATCH, expected=0, epoch=epoch)
    log.close()


def test_nothing_is_appended_without_a_lease(engine: Engine) -> None:
    log = engine.open()
    with pytest.raises(StaleEpoch):
        log.append(BATCH, expected=0, epoch=0)
    append(log, BATCH[:20], expected=0)
    log.close()


def test_a_lease_ends_with_its_writer(engine: Engine) -> None:
    log = engine.open()
    epoch = log.take_lease("first").epoch
    engine.crash(log)
    log = engine.open()
    if not isinstance(log, MemoryCommitLog):  # it is the same object, which a crash ends with its process
        with pytest.raises(StaleEpoch):
            log.append(BATCH, expected=0, epoch=epoch)
    append(log, BATCH, expected=0)
    log.close()


def test_only_the_newest_lease_is_renewed(engine: Engine) -> None:
    log = engine.open()
    old = log.take_lease("old")
    assert log.renew(old) == old
    new = log.take_lease("new")
    with pytest.raises(StaleEpoch):
        log.renew(old)
    assert log.renew(new) == new
    log.close()


def test_epochs_grow_across_writers_also_after_a_crash(engine: Engine) -> None:
    log = engine.open()
    first = log.take_lease("first").epoch
    engine.crash(log)
    log = engine.open()
    second = log.take_lease("second").epoch
    log.close()
    assert second > first


def test_a_message_that_is_there_already_is_rejected_with_its_batch(engine: Engine) -> None:
    log = engine.open()
    epoch = log.take_lease("writer").epoch
    log.append(BATCH[:20], expected=0, epoch=epoch)
    for twice in (BATCH[3].message, BATCH[21].message):
        batch = [*BATCH[20:29], msgspec.structs.replace(BATCH[29], message=twice)]
        with pytest.raises(LogFailed):
            log.append(batch, expected=20, epoch=epoch)
        assert log.head() == Head.at(BATCH[19])
    log.append(BATCH[20:], expected=20, epoch=epoch)
    log.close()


def test_a_reader_sees_one_snapshot_and_never_half_a_batch(engine: Engine) -> None:
    log = engine.open()
    append(log, BATCH[:20], expected=0)
    reader = engine.open_reader()
    rows = reader.read()
    first = next(rows)
    append(log, BATCH[20:], expected=20)
    assert [first, *rows] == BATCH[:20]
    assert list(reader.read()) == BATCH
    for read in (reader, log):
        read.close()


def test_what_was_appended_before_a_crash_is_there_after_it(engine: Engine) -> None:
    log = engine.open()
    append(log, BATCH[:20], expected=0)
    engine.crash(log)
    log = engine.open()
    assert list(log.read()) == BATCH[:20]
    append(log, BATCH[20:], expected=20)
    assert list(log.read()) == BATCH
    log.close()


def test_a_time_is_found_without_an_index(engine: Engine) -> None:
    log = engine.open()
    append(log, BATCH, expected=0)
    for row in BATCH:
        assert sequence_at(log, row.timestamp) == row.sequence
    assert sequence_at(log, BATCH[0].timestamp - 1) == 0
    assert sequence_at(log, BATCH[-1].timestamp + 1) == 60
    log.close()


async def test_a_follower_gets_what_is_there_and_then_what_comes(engine: Engine) -> None:
    log = engine.open()
    append(log, BATCH[:20], expected=0)
    reader = engine.open_reader()
    following = reader.follow(after=5)
    assert list(await anext(following)) == BATCH[5:20]
    append(log, BATCH[20:30], expected=20)
    assert list(await anext(following)) == BATCH[20:30]
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    assert not coming.done()
    append(log, BATCH[30:], expected=30)
    assert list(await coming) == BATCH[30:]
    for read in (reader, log):
        read.close()


async def test_followers_neither_miss_nor_repeat_while_batches_come(engine: Engine) -> None:
    log = engine.open()
    epoch = log.take_lease("writer").epoch

    async def followed(reader: CommitLog, after: int) -> list[int]:
        got: list[int] = []
        async for batch in reader.follow(after=after):
            got += sequences(batch)
            if got and got[-1] == len(BATCH):
                break
        return got

    readers = [engine.open_reader() for _ in range(3)]
    following = [asyncio.ensure_future(followed(reader, after)) for after, reader in enumerate(readers)]
    for start in range(0, len(BATCH), 7):
        log.append(BATCH[start : start + 7], expected=start, epoch=epoch)
        await asyncio.sleep(0)
    for after, task in enumerate(following):
        assert await task == list(range(after + 1, len(BATCH) + 1))
    for read in (*readers, log):
        read.close()
