"""The lock file of a log: its holder, and the epoch of the newest lease."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eventstore import LogInUse, LogUnusable, StaleEpoch
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.writer_lock import DelegateLock, WriterLock, lock_path
from tests.eventstore.logs import append, assignments

BATCH = assignments(20)


class Killed(BaseException):
    """The process ends here."""


def test_a_new_lock_file_has_epoch_0_and_names_its_holder(path: Path) -> None:
    lock = WriterLock(path)
    assert lock.epoch == 0
    assert lock_path(path).read_text().startswith(f"process {os.getpid()} (")
    with pytest.raises(LogInUse, match=f"is being written by process {os.getpid()}"):
        WriterLock(path)
    lock.release()


def test_each_lease_has_the_next_epoch_also_after_the_lock_was_released(path: Path) -> None:
    for expected in ((1, 2), (3, 4)):
        lock = WriterLock(path)
        assert (lock.next_epoch(), lock.next_epoch()) == expected
        lock.release()


@pytest.mark.parametrize(
    "content", ["", "process 7 (mostao)\n", "process 7 (epoch 9)", "process 7 (mostao)\nepoch nine\n", "epoch 9 or so"]
)
def test_a_lock_file_without_an_epoch_counts_as_0(path: Path, content: str) -> None:
    lock_path(path).write_text(content)
    lock = WriterLock(path)
    assert lock.epoch == 0
    assert lock.next_epoch() == 1
    lock.release()


def test_a_log_whose_lock_file_has_no_epoch_is_leased_and_appended_to(path: Path) -> None:
    log = SqliteLog.open(path)
    append(log, BATCH[:10], expected=0)
    log.close()
    lock_path(path).write_text("process 7 (mostao)\n")
    log = SqliteLog.open(path)
    lease = log.take_lease("a newer version")
    assert lease.epoch == 1
    log.append(BATCH[10:], expected=10, epoch=lease.epoch)
    assert list(log.read()) == BATCH
    log.close()


@pytest.mark.parametrize("holder", ["mostao", "m" * 300], ids=["short", "long"])
@pytest.mark.parametrize("open_again", [WriterLock, SqliteLog.open], ids=["lock", "log"])
def test_the_epoch_survives_a_crash_between_write_and_truncation(
    path: Path, holder: str, open_again: Callable[[Path], WriterLock | SqliteLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file then starts with the new text and ends with the rest of the old one, if the old one was longer."""
    lock_path(path).write_text(f"process 4194304 ({holder})\nepoch 41\n")
    lock = WriterLock(path)
    assert lock.epoch == 41

    def crash(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as crashing:
        crashing.setattr("eventstore.sqlite.writer_lock.os.ftruncate", crash)
        with pytest.raises(Killed):
            lock.next_epoch()
    lock.release()
    survivor = WriterLock(path)
    assert survivor.epoch == 42
    survivor.release()
    opened = open_again(path)
    epoch = opened.next_epoch() if isinstance(opened, WriterLock) else opened.take_lease("next").epoch
    assert epoch == 43
    opened.close() if isinstance(opened, SqliteLog) else opened.release()


def test_the_epoch_survives_a_crash_while_the_lock_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_path(path).write_text(f"process 4194304 ({'m' * 300})\nepoch 41\n")

    def crash(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as crashing:
        crashing.setattr("eventstore.sqlite.writer_lock.os.ftruncate", crash)
        with pytest.raises(Killed):
            WriterLock(path)
    assert lock_path(path).stat().st_size > 300  # the rest of the old text follows the new one
    assert DelegateLock(path).epoch == 41


def test_a_delegate_has_the_epoch_of_the_holder(path: Path) -> None:
    lock = WriterLock(path)
    assert lock.next_epoch() == 1
    delegate = DelegateLock(path)
    assert delegate.epoch == 1
    lock.next_epoch()
    assert delegate.epoch == 2
    os.close(delegate._descriptor)
    lock.release()


def test_an_older_lease_is_fenced_off_after_the_log_is_opened_again(path: Path) -> None:
    log = SqliteLog.open(path)
    old = log.take_lease("old")
    log.close()
    log = SqliteLog.open(path)
    new = log.take_lease("new")
    with pytest.raises(StaleEpoch):
        log.append(BATCH, expected=0, epoch=old.epoch)
    with pytest.raises(StaleEpoch):
        log.renew(old)
    assert log.renew(new) == new
    log.append(BATCH, expected=0, epoch=new.epoch)
    log.close()


def test_a_program_name_cannot_forge_an_epoch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x\nepoch 0\ny"])
    lock = WriterLock(path)
    assert [lock.next_epoch() for _ in range(3)] == [1, 2, 3]
    lock.release()


def symbolic_link(lock: Path, victim: Path) -> None:
    lock.symlink_to(victim)


def dangling_link(lock: Path, victim: Path) -> None:
    lock.symlink_to(victim.with_name("missing"))


def hard_link(lock: Path, victim: Path) -> None:
    lock.hardlink_to(victim)


def pipe(lock: Path, _: Path) -> None:
    os.mkfifo(lock)


def folder(lock: Path, _: Path) -> None:
    lock.mkdir()


@pytest.mark.parametrize("make", [symbolic_link, dangling_link, hard_link, pipe, folder])
def test_what_another_person_put_at_the_place_of_a_lock_file_is_refused_and_not_written(
    path: Path, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    SqliteLog.open(path).close()
    lock_path(path).unlink()
    victim = tmp_path / "victim.txt"
    victim.write_text("a letter that took a week\n" * 9)
    before = victim.read_bytes()
    make(lock_path(path), victim)
    with pytest.raises(LogUnusable, match=r"not a lock file.* remove world.db.lock, and try again"):
        SqliteLog.open(path)
    with pytest.raises(OSError, match=r"a symbolic link|a hard link|a pipe|a folder"):
        DelegateLock(path)
    assert victim.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["victim.txt", "world.db", "world.db.lock"]
