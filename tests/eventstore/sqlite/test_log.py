import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from eventstore import LogExists, LogFailed, LogMissing, LogUnusable, PositionConflict, Sequencer
from eventstore.sqlite.file_format import FORMAT
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import an_id, append, assignments, message


def test_what_is_appended_is_read_back(path: Path) -> None:
    log = SqliteLog.open(path)
    batch = assignments(300)
    head = append(log, batch[:200], expected=0)
    assert head.sequence == 200
    assert append(log, batch[200:], expected=200) == log.head() == (300, batch[-1].log_chain)
    assert list(log.read()) == batch
    assert list(log.read(after=10, until=20)) == batch[10:20]
    assert list(log.read_process(an_id("process 1"), from_slot=2)) == [a for a in batch if a.sequence % 3 == 2][2:]
    assert log.find(batch[7].message.id) == batch[7]
    assert log.find(an_id("nothing")) is None
    assert log.existing_ids([batch[7].message.id, an_id("nothing")]) == {batch[7].message.id}
    log.close()


def test_children_are_the_messages_that_name_the_parent(path: Path) -> None:
    sequencer, log = Sequencer(), SqliteLog.open(path)
    batch = [sequencer.assign(message(n, parent=p), 1) for n, p in enumerate((None, 1, 1, 2))]
    append(log, batch, expected=0)
    assert log.children(1) == batch[1:3]
    log.close()


@given(data=st.binary(max_size=300), output=st.none() | st.text(), error=st.none() | st.text())
def test_any_bytes_and_any_text_come_back_as_they_went_in(data: bytes, output: str | None, error: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteLog.open(Path(folder) / "any.db")
        assignment = Sequencer().assign(message(1, data=data), 1)
        assignment.output, assignment.error = output, error
        append(log, [assignment], expected=0)
        assert log.find(assignment.message.id) == assignment
        log.close()


def test_a_stale_writer_is_refused_and_nothing_of_its_batch_is_kept(path: Path) -> None:
    log = SqliteLog.open(path)
    batch = assignments(5)
    append(log, batch[:3], expected=0)
    with pytest.raises(PositionConflict) as conflict:
        append(log, batch[3:], expected=2)
    assert (conflict.value.expected, conflict.value.found) == (2, 3)
    assert log.head().sequence == 3
    log.close()


@pytest.mark.parametrize("twice", ["id", "slot"])
def test_a_batch_is_kept_whole_or_not_at_all(path: Path, twice: str) -> None:
    log = SqliteLog.open(path)
    batch = assignments(100)
    batch[99] = (
        msgspec.structs.replace(batch[99], message=batch[0].message)
        if twice == "id"
        else msgspec.structs.replace(batch[99], slot=batch[96].slot)
    )
    with pytest.raises(LogFailed):
        append(log, batch, expected=0)
    assert log.head().sequence == 0
    log.close()


def test_the_log_is_durable_at_every_commit(path: Path) -> None:
    log = SqliteLog.open(path)
    connection = log._connection
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    log.close()


def test_a_second_writer_is_refused_and_told_who_is_the_first(path: Path) -> None:
    log = SqliteLog.open(path)
    second = f"from eventstore import open_log; open_log({str(path)!r})"
    refused = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, check=False)
    log.close()
    assert refused.returncode == 1
    assert f"LogInUse: {path} is being written by process {os.getpid()}" in refused.stderr
    SqliteLog.open(path).close()  # after the first has closed, the next opens


def test_readers_read_while_the_writer_writes(path: Path) -> None:
    log = SqliteLog.open(path)
    batch = assignments(20)
    append(log, batch[:10], expected=0)
    reader = SqliteLog.open_to_read(path)
    begun = reader.read()
    first = next(begun)
    append(log, batch[10:], expected=10)
    assert [first, *begun] == batch[:10]  # one consistent snapshot
    assert list(reader.read()) == batch
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("delete from assignments")
    reader.close()
    log.close()


def test_a_closed_log_is_one_file(path: Path) -> None:
    log = SqliteLog.open(path)
    append(log, assignments(10), expected=0)
    log.close()
    assert {file.name for file in path.parent.iterdir()} == {"world.db", "world.db.lock"}
    moved = path.with_name("moved.db")
    path.rename(moved)
    reader = SqliteLog.open_to_read(moved)
    assert reader.head().sequence == 10
    reader.close()
    assert not moved.with_name("moved.db-wal").exists()


def test_a_file_of_another_program_is_left_alone(path: Path) -> None:
    path.write_text("notes, and not few " * 100)
    with pytest.raises(LogUnusable, match=r"world\.db is not a mostao log \(it is not an SQLite file\)"):
        SqliteLog.open(path)
    assert [file.name for file in path.parent.iterdir()] == ["world.db"]
    assert path.read_text() == "notes, and not few " * 100


def test_other_tools_read_the_log_and_its_columns_say_what_they_are(path: Path) -> None:
    log = SqliteLog.open(path)
    append(log, assignments(10), expected=0)
    database = sqlite_utils.Database(path)
    columns = {"sequence", "process", "slot", "timestamp", "message_id", "sender", "action", "parent", "tags", "data"}
    assert columns <= set(database["assignments"].columns_dict)
    assert next(database.query("select count(*) as n, action from assignments group by action")) == {
        "n": 10,
        "action": "Test",
    }
    assert next(database.query("select data from assignments"))["data"] == "{}"
    log.close()


def test_a_new_log_is_refused_where_there_is_one(path: Path) -> None:
    log = SqliteLog.open(path, new=True)
    append(log, assignments(3), expected=0)
    log.close()
    with pytest.raises(LogExists, match=r"already contains a log \(3 events\)"):
        SqliteLog.open(path, new=True)


def test_a_missing_log_is_named(path: Path) -> None:
    with pytest.raises(LogMissing, match="there is no log at"):
        SqliteLog.open_to_read(path)
    assert not path.exists()


@pytest.mark.parametrize("opened", [SqliteLog.open, SqliteLog.open_to_read])
def test_a_file_that_is_no_log_is_left_as_it_is(path: Path, opened: type) -> None:
    path.write_bytes(b"A picture of a cat, say." * 100)
    with pytest.raises(LogUnusable, match="not a mostao log"):
        opened(path)
    assert path.read_bytes() == b"A picture of a cat, say." * 100


@pytest.mark.parametrize("opened", [SqliteLog.open, SqliteLog.open_to_read])
def test_another_applications_database_is_left_as_it_is(path: Path, opened: type) -> None:
    sqlite_utils.Database(path)["cats"].insert({"name": "Tom"})
    with pytest.raises(LogUnusable, match="not a mostao log"):
        opened(path)
    assert sqlite_utils.Database(path).table_names() == ["cats"]
    assert [file.name for file in path.parent.iterdir()] == ["world.db"]


@pytest.mark.parametrize("opened", [SqliteLog.open, SqliteLog.open_to_read])
def test_a_log_of_a_newer_format_is_refused_by_its_number(path: Path, opened: type) -> None:
    SqliteLog.open(path).close()
    path.with_name("world.db.lock").unlink()
    sqlite_utils.Database(path).execute(f"pragma user_version = {FORMAT + 1}")
    with pytest.raises(LogUnusable, match=f"format {FORMAT + 1}; this version reads up to format {FORMAT}"):
        opened(path)
    assert [file.name for file in path.parent.iterdir()] == ["world.db"]


def test_what_is_looked_up_is_found_by_an_index(path: Path) -> None:
    log = SqliteLog.open(path)
    append(log, assignments(10), expected=0)
    plans: list[str] = []
    execute = log._connection.execute

    class Explaining:
        def execute(self, query: str, arguments: tuple[Any, ...] = ()) -> sqlite3.Cursor:
            plans.extend(row[3] for row in execute(f"explain query plan {query}", arguments))
            return execute(query, arguments)

    log._connection = log._ids._connection = Explaining()  # type: ignore[assignment]
    process = an_id("process 1")
    assert log.existing_ids([an_id("message 5"), "unknown"]) == {an_id("message 5")}
    assert log.find(an_id("message 5"))
    assert list(log.read_process(process))
    assert log.sequence_of(process, 1)
    assert (log.exists_from(process), log.exists_from(an_id("nobody"))) == (2, None)
    assert log.process_head(process, until=9)
    assert log.payloads(process, [0, 1])
    log.children(3)
    assert not [plan for plan in plans if plan.startswith("SCAN")]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnusable, match="is not a folder"):
        SqliteLog.open(tmp_path / "nowhere" / "world.db")
    with pytest.raises(LogUnusable, match="is a folder"):
        SqliteLog.open(tmp_path)
    with pytest.raises(LogUnusable, match="is a folder"):
        SqliteLog.open_to_read(tmp_path)
