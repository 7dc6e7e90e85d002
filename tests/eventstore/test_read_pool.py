"""A log for several reading threads, while a writer appends to it."""

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest

from eventstore import LogFile, LogMissing, ReadPool
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import append, assignments

BATCH = assignments(40)


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog.open(path)
    append(log, BATCH[:20], expected=0)
    yield log
    log.close()


class Opener:
    """Opens readers, and remembers them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.readers: list[SqliteLog] = []

    def __call__(self) -> SqliteLog:
        self.readers.append(SqliteLog.open_to_read(self._path))
        return self.readers[-1]


def rows(reader: LogFile) -> int:
    return len(list(reader.read()))


def test_one_connection_serves_successive_reads(log: SqliteLog) -> None:
    opener = Opener(log.path)
    pool = ReadPool(opener)
    assert [pool.read(rows) for _ in range(3)] == [20, 20, 20]
    assert len(opener.readers) == 1
    pool.close()


def test_a_read_that_begins_during_another_sees_the_rows_appended_since(log: SqliteLog) -> None:
    opener = Opener(log.path)
    pool = ReadPool(opener)

    def read_while_reading(reader: LogFile) -> tuple[int, int]:
        iterator = reader.read()
        next(iterator)
        append(log, BATCH[20:], expected=20)
        return pool.read(rows), 1 + len(list(iterator))

    assert pool.read(read_while_reading) == (40, 20)
    assert len(opener.readers) == 2
    pool.close()


def test_each_thread_reads_on_a_connection_of_its_own(log: SqliteLog) -> None:
    opener = Opener(log.path)
    pool = ReadPool(opener)
    all_reading, used = Barrier(4), []

    def read(reader: LogFile) -> None:
        all_reading.wait(timeout=30)
        used.append(reader)

    threads = [Thread(target=pool.read, args=(read,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(reader) for reader in used}) == len(opener.readers) == 4
    pool.close()


def test_a_connection_is_reused_after_a_read_that_failed(log: SqliteLog) -> None:
    opener = Opener(log.path)
    pool = ReadPool(opener)
    with pytest.raises(ZeroDivisionError):
        pool.read(lambda _: 1 // 0)
    assert pool.read(rows) == 20
    assert len(opener.readers) == 1
    pool.close()


def test_a_log_that_cannot_be_read_is_refused_at_once(path: Path) -> None:
    with pytest.raises(LogMissing):
        ReadPool(lambda: SqliteLog.open_to_read(path))


def test_close_closes_every_connection(log: SqliteLog) -> None:
    opener = Opener(log.path)
    pool = ReadPool(opener)
    pool.read(lambda _: pool.read(rows))
    pool.close()
    assert len(opener.readers) == 2
    for reader in opener.readers:
        with pytest.raises(Exception, match="closed"):
            reader.head()
