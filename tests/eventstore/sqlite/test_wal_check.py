"""A log that lost acknowledged events is refused, and stays as it is."""

import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import pytest

from eventstore import StorageDamaged, open_log, read_log, upgrade_log
from eventstore.sqlite.file_names import beside
from eventstore.sqlite.writer_lock import lock_path
from tests.eventstore.logs import append, assignments

HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
FILES = ("", "-wal", ".lock")
LOCK_OF_EVERY_CONNECTION = 128


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A log of 30 transactions as a kill leaves it: its rows are in the write-ahead log."""
    path, copy = tmp_path / "live.db", tmp_path / "killed.db"
    log = open_log(path)
    epoch = log.take_lease("test").epoch
    for row in assignments(30):
        log.append([row], expected=row.sequence - 1, epoch=epoch)
    for suffix in FILES:
        copyfile(beside(path, suffix), beside(copy, suffix))
    log.close()
    return copy


def frames(path: Path) -> list[int]:
    """The offset of each frame of the write-ahead log."""
    data = beside(path, "-wal").read_bytes()
    step = FRAME_HEADER_BYTES + int.from_bytes(data[8:12], "big")
    return list(range(HEADER_BYTES, len(data), step))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 4
    path.write_bytes(data)


def content(path: Path) -> list[bytes]:
    return [beside(path, suffix).read_bytes() for suffix in ("", "-wal")]


def test_the_log_of_a_killed_writer_opens_with_every_event(killed: Path) -> None:
    log = open_log(killed)
    assert (log.head().sequence, log.was_closed) == (30, False)
    log.close()


def test_opening_a_log_keeps_the_locks_of_a_reader_in_the_same_process(killed: Path) -> None:
    """Without its lock on the index of the write-ahead log, another process would empty the index under the reader."""
    reader = read_log(killed)
    assert reader.head().sequence == 30
    log = open_log(killed)
    try:
        assert not _is_unlocked(beside(killed, "-shm"))
    finally:
        log.close()
        reader.close()


def _is_unlocked(index: Path) -> bool:
    """Whether another process can lock the byte that every connection holds (https://sqlite.org/walformat.html)."""
    program = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as index:\n"
        f"    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, {LOCK_OF_EVERY_CONNECTION})"
    )
    return subprocess.run([sys.executable, "-c", program, str(index)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("part", ["header", "page"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("locked", [True, False])
def test_a_damaged_frame_before_a_later_transaction_is_refused_and_the_files_stay(
    killed: Path, part: str, share: float, locked: bool
) -> None:
    if not locked:
        lock_path(killed).unlink()
    places = frames(killed)
    flip(beside(killed, "-wal"), places[int(len(places) * share)] + (17 if part == "header" else 2000))
    before = content(killed)
    for _ in range(2):
        with pytest.raises(StorageDamaged, match=r"frame \d+ is damaged, but frame \d+ is of a later transaction"):
            open_log(killed)
        assert content(killed) == before


def test_a_damaged_header_of_the_write_ahead_log_is_refused(killed: Path) -> None:
    lock_path(killed).unlink()
    flip(beside(killed, "-wal"), 19)
    with pytest.raises(StorageDamaged, match="its header is damaged"):
        open_log(killed)


def test_the_advice_of_the_refusal_continues_without_the_lost_events(killed: Path) -> None:
    flip(beside(killed, "-wal"), frames(killed)[-12] + 2000)
    with pytest.raises(StorageDamaged, match="--accept-loss"):
        open_log(killed)
    upgrade_log(killed, accept_loss=True)
    log = open_log(killed)
    assert 0 < log.head().sequence < 30
    log.close()


@pytest.mark.parametrize("lost", [1, 5])
def test_lost_events_at_the_end_are_refused_if_the_lock_file_names_them(killed: Path, lost: int) -> None:
    data = beside(killed, "-wal").read_bytes()
    commits = [place for place in frames(killed) if data[place + 4 : place + 8] != bytes(4)]
    beside(killed, "-wal").write_bytes(data[: commits[-lost] + 1])
    with pytest.raises(StorageDamaged, match=f"ends at event {30 - lost}, but events up to 30 were acknowledged"):
        open_log(killed)
    lock_path(killed).unlink()
    log = open_log(killed)
    assert log.head().sequence == 30 - lost
    log.close()


def test_a_transaction_that_a_crash_interrupted_is_dropped(killed: Path) -> None:
    data = bytearray(beside(killed, "-wal").read_bytes())
    before, last = [place for place in frames(killed) if data[place + 4 : place + 8] != bytes(4)][-2:]
    first_of_last = next(place for place in frames(killed) if place > before)
    assert first_of_last < last  # several frames, of which the last one is whole
    data[first_of_last + 600 : first_of_last + 1112] = b"\xff" * 512
    beside(killed, "-wal").write_bytes(data)
    lock_path(killed).unlink()  # names the event as durable, which it was before this test
    log = open_log(killed)
    assert log.head().sequence == 29
    log.close()


def test_an_older_copy_of_a_log_is_refused_beside_its_lock_file(tmp_path: Path) -> None:
    path, copy = tmp_path / "log.db", tmp_path / "copy.db"
    rows = assignments(20)
    for part in (rows[:10], rows[10:]):
        log = open_log(path)
        append(log, part, expected=part[0].sequence - 1)
        log.close()
        if not copy.exists():
            copyfile(path, copy)
    copyfile(copy, path)
    with pytest.raises(StorageDamaged, match=r"ends at event 10, but events up to 20 .* or this is an older copy"):
        open_log(path)
    reader = read_log(path)  # reading stays possible
    assert reader.head().sequence == 10
    reader.close()


def test_the_lock_file_names_what_is_durable_also_for_a_delegate(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    rows = assignments(6)
    log = open_log(path)
    epoch = log.take_lease("test").epoch
    log.append(rows[:3], expected=0, epoch=epoch)
    assert lock_path(path).read_bytes().endswith(b"durable 00000000000000000003\n")
    program = (
        "import sys; from eventstore.engines import engine_of; from tests.eventstore.logs import assignments;"
        "log = engine_of(sys.argv[1]).open_delegate(sys.argv[1]);"
        "log.append(assignments(6)[3:], expected=3, epoch=int(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", program, str(path), str(epoch)], check=True)
    assert lock_path(path).read_bytes().endswith(b"durable 00000000000000000006\n")
    log.close()
    assert lock_path(path).read_bytes().endswith(b"durable 00000000000000000006\nclosed\n")


def test_a_writer_that_distrusts_its_log_does_not_close_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_log(path)
    append(log, assignments(3), expected=0)
    log.distrust()
    log.close()
    again = open_log(path)
    assert not again.was_closed
    again.close()


def test_what_two_crashes_left_behind_is_no_damage(killed: Path) -> None:
    # After a crash, SQLite writes over the interrupted transaction, with the same salts.
    data = bytearray(beside(killed, "-wal").read_bytes())
    commits = [place for place in frames(killed) if data[place + 4 : place + 8] != bytes(4)]
    step = frames(killed)[1] - frames(killed)[0]
    interrupted = bytearray(data[commits[-4] + step : commits[-3] + step])  # one transaction, not continued by the next
    interrupted[step - 100] ^= 1
    older = data[commits[-2] + step : commits[-1] + step]
    beside(killed, "-wal").write_bytes(data[: commits[-4] + step] + interrupted + older)
    lock_path(killed).unlink()
    log = open_log(killed)
    assert log.head().sequence == 27
    log.close()
