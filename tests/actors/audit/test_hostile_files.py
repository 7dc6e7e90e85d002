"""Files that someone else made: each attack on the file itself is one named fault, never a traceback or a hang."""

import asyncio
import json
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import copyfile

import pytest
from click.testing import CliRunner, Result

from actors import Limits, Node
from actors.ans104.wallet import WalletError, key_path
from actors.audit.audit import audit as audit_log
from eventstore import LogDamaged, LogFault, LogUnusable
from eventstore.sqlite.connect import unusable_message
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.snapshots import snapshots_path
from simulations.cli.main import main
from tests.actors.audit.in_process import run_in_this_process
from tests.actors.people import ALICE, BOB, NODE, relay, still, talking
from tests.sqlite_file import execute, rewrite_definition

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select i as sequence from n"
TABLES = ("assignments", "checkpoints", "ids", "tree", "_sqlite_migrations")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that is long enough for a tree, for ids and for snapshots."""
    path = tmp_path_factory.mktemp("honest") / "world.db"
    limits = Limits(snapshot_slots_min=1, snapshot_log_events_min=1, snapshot_events=1)

    async def live() -> None:
        async with Node.open(path, wallet=NODE, clock=still, limits=limits) as node:
            a, b, session = await talking(node)
            for sender, handle in ((ALICE, a), (BOB, b)):
                sends = (relay(sender, handle, session, "SendMessage", {"content": str(n)}) for n in range(110))
                await asyncio.gather(*map(node.send, sends))

    asyncio.run(live())
    return path


@pytest.fixture
def log(honest: Path, path: Path) -> Path:
    for original, copy in ((honest, path), (snapshots_path(honest), snapshots_path(path))):
        copyfile(original, copy)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


audit = partial(audit_log, jobs=3, run=run_in_this_process)


def statements(*texts: str) -> Callable[[Path], None]:
    def forge(path: Path) -> None:
        for text in texts:
            execute(path, text)

    return forge


def instead_of_assignments(view: str) -> Callable[[Path], None]:
    """Hide the table, and show a view in its place."""

    def forge(path: Path) -> None:
        execute(path, "drop view processes")
        execute(path, "alter table assignments rename to honest")
        execute(path, "create view assignments as " + view)

    return forge


def definition(path: Path, name: str) -> str:
    [[sql]] = execute(path, "select sql from sqlite_master where name = ?", [name])
    return str(sql)


def index_without_rows(path: Path) -> None:
    """Rebuild an index without two rows, and let its definition read as before."""
    name = "idx_assignments_parent"
    sql = definition(path, name)
    execute(path, f"drop index {name}")
    execute(path, sql + " and sequence not in (11, 12)")
    rewrite_definition(path, name, sql)


def false_root(path: Path) -> None:
    """Let an index begin at the root page of another one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute(
            "update sqlite_master set rootpage = (select rootpage from sqlite_master where name = ?) where name = ?",
            ("idx_assignments_parent", "idx_assignments_first"),
        )


HONEST_TO_AN_AUDIT = "select * from honest where (select count(*) from pragma_database_list) = 1 or sequence < 100"

SCHEMA: dict[str, tuple[Callable[[Path], None], str]] = {
    "an endless view": (instead_of_assignments(ENDLESS), "schema: table assignments"),
    "a view that shows others other rows": (instead_of_assignments(HONEST_TO_AN_AUDIT), "schema: table assignments"),
    "a view that depends on the time": (
        instead_of_assignments("select * from honest where strftime('%s', 'now') % 2 or sequence < 9"),
        "schema: table assignments",
    ),
    "a false view of processes": (
        statements("drop view processes", "create view processes as select 'A' as process, 'mallory' as owner"),
        "schema: view processes",
    ),
    "a trigger": (
        statements("create trigger t after insert on assignments begin delete from checkpoints; end"),
        "schema: trigger t",
    ),
    "an index of a user": (statements("create index mine on assignments(sender)"), "schema: index mine"),
    "a view in the place of json_each": (
        statements('create view json_each as select \'["Owner","mallory"]\' as value'),
        "schema: view json_each",
    ),
    "a column that is computed": (
        statements("alter table assignments add column more as (slot)"),
        "schema: table assignments",
    ),
    "no index of the first messages": (
        statements("drop index idx_assignments_first"),
        "schema: index idx_assignments_first",
    ),
    "a definition that is nonsense": (
        lambda path: rewrite_definition(path, "tree", "create nonsense"),
        "schema: the whole schema",
    ),
    **{f"no table {table}": (statements(f"drop table {table}"), f"schema: table {table}") for table in TABLES},
}


@pytest.mark.parametrize("attack", SCHEMA)
def test_what_is_not_of_the_format_is_named_before_a_row_is_read(log: Path, attack: str) -> None:
    forge, what = SCHEMA[attack]
    forge(log)
    [fault] = audit(log).faults
    assert (fault.what, fault.sequence) == (what, 0)
    assert what in {fault.what for fault in audit(log, all_faults=True).faults}
    printed = run("audit", log, "--json")
    assert (printed.exit_code, [fault["what"] for fault in json.loads(printed.stdout)["faults"]]) == (1, [what])
    assert run("audit", log).stdout.splitlines()[1] == f"FAULT: {what}"


COMMANDS: dict[str, list[object]] = {
    "replay": [],
    "log": [],
    "trace": ["1"],
    "serve": ["--port", "0"],
    "export": ["-o", "-"],
    "checkpoint": [],
    "prove": ["1"],
    "diff": ["1", "2", "--process", "@alice"],
    "upgrade": [],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_reads_through_a_view_in_the_place_of_a_table(log: Path, command: str) -> None:
    instead_of_assignments(ENDLESS)(log)
    ran = run(command, log, *COMMANDS[command])
    assert ran.exit_code == 2
    assert "the table assignments is missing" in ran.stderr


def row_that_its_index_lacks(path: Path) -> None:
    """Add a row while the table has no primary key, and let the definition read as before."""
    sql, name = definition(path, "tree"), "sqlite_autoindex_tree_1"
    [[root]] = execute(path, "select rootpage from sqlite_master where name = ?", [name])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("delete from sqlite_master where name = ?", (name,))
        without = sql[: sql.index(",\n   PRIMARY")] + ")"
        connection.execute("update sqlite_master set sql = ? where name = 'tree'", (without,))
    execute(path, "insert into tree select 1, 1000, hash from tree limit 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("insert into sqlite_master values ('index', ?, 'tree', ?, null)", (name, root))
        connection.execute("update sqlite_master set sql = ? where name = 'tree'", (sql,))


PAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "an index without two rows": (index_without_rows, "missing from index idx_assignments_parent"),
    "an index at the root of another": (false_root, ""),
    "a row that its index lacks": (row_that_its_index_lacks, "missing from index sqlite_autoindex_tree_1"),
    "a row before the first": (
        statements(
            "insert into assignments select 0 - sequence, process, -1, timestamp, message_id, sender, action,"
            " parent, tags, data, anchor, envelope, process_chain, log_chain, output, error, 0"
            " from assignments where sequence = 9"
        ),
        "something else",
    ),
    "another migration": (statements("insert into _sqlite_migrations values (5, 'mostao', 'm005', '')"), "m005"),
    "a migration without a set": (
        statements("insert into _sqlite_migrations values (5, null, 'm005', '')"),
        "NULL 'm005'",
    ),
    "a note of bytes": (
        statements("update checkpoints set note = cast(note as blob)"),
        "b'mostao",
    ),
    "a note that is not UTF-8": (
        statements("update checkpoints set note = cast(x'ff41' as text)"),
        "can't decode byte 0xff",
    ),
    "a number in the place of a note": (statements("update checkpoints set note = 5"), "a checkpoint has a line"),
}


@pytest.mark.parametrize("attack", PAGES)
def test_what_the_pages_or_the_indexes_lack_is_a_named_fault(log: Path, attack: str) -> None:
    forge, found = PAGES[attack]
    forge(log)
    [fault] = audit(log).faults
    assert found in str(fault.found)
    assert fault.what in {fault.what for fault in audit(log, all_faults=True).faults}
    assert run("audit", log).exit_code == 1


@pytest.mark.parametrize("column", ["process", "message_id", "sender", "action", "tags", "anchor", "output", "error"])
@pytest.mark.parametrize("sequence", [1, 3, 300])
def test_text_that_is_not_utf8_is_a_fault_at_its_row(log: Path, column: str, sequence: int) -> None:
    execute(log, f"update assignments set {column} = cast(x'ff' as text) where sequence = ?", [sequence])
    [fault] = audit(log).faults
    assert (fault.what, fault.sequence) == (f"sequence {sequence} of assignments cannot be read", sequence)
    assert column in str(fault.found)
    assert run("audit", log, "--all").exit_code == 1
    assert run("replay", log).exit_code == 2


VALUES = ["null", "x'00'", "'x'", "-1", "1.5", "9223372036854775807"]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("table", ["assignments", "tree", "ids", "checkpoints"])
def test_no_value_of_any_column_stops_an_audit(log: Path, table: str, value: str) -> None:
    key = {"assignments": "sequence", "ids": "id_start"}.get(table, "rowid")
    original = log.read_bytes()
    for number, [column] in enumerate(execute(log, f"select name from pragma_table_info('{table}')")):
        chosen = f"(select {key} from {table} limit 1 offset {number % 2 * (table == 'assignments') * 300})"
        try:
            execute(log, f"update {table} set {column} = {value} where {key} = {chosen}")
        except sqlite3.IntegrityError:
            continue  # the column refuses it
        if log.read_bytes() != original:
            assert audit(log, all_faults=bool(number % 3)).faults, column
            log.write_bytes(original)


@pytest.mark.parametrize(
    ("table", "column"),
    [("assignments", "data"), ("assignments", "error"), ("ids", "id_start"), ("checkpoints", "note")],
)
def test_a_huge_value_is_a_fault_that_is_printed_in_short(log: Path, table: str, column: str) -> None:
    where = f"sequence = (select sequence from {table})"
    execute(log, f"update {table} set {column} = zeroblob(10000000) where {where}")
    ran = run("audit", log, "--all")
    assert (ran.exit_code, len(ran.stdout) < 20_000) == (1, True)


def test_a_statement_that_yields_no_row_in_time_is_a_fault(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = f"select count(*) from ({ENDLESS} limit 100000000)"

    def read_endlessly(reader: SqliteLog) -> list[LogFault]:
        return list(reader._rows(slow))

    monkeypatch.setattr("actors.audit.audit.first_process_faults", read_endlessly)
    [fault] = audit(log, statement_s=0.1).faults
    assert fault.what == "assignments cannot be read"
    assert fault.found == "no row within 0 s, the time limit of a statement"


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_limited_reader_ends_an_endless_statement(log: Path, exclusive: bool) -> None:
    reader = SqliteLog.open_to_read(log, exclusive=exclusive)
    reader.limit_statements(0.1)
    with pytest.raises(LogDamaged, match="cannot be read"):
        list(reader._rows(f"select count(*) from ({ENDLESS})"))
    assert len(list(reader.read())) == reader.head().sequence
    reader.close()


def test_a_rollback_journal_that_would_change_the_log_is_not_ignored(log: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.db"
    execute(log, "update assignments set action = 'Forged' where sequence = 300")
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("pragma cache_size = 1")  # writes pages before the commit
        connection.execute("begin")
        connection.execute("update assignments set action = 'SendMessage' where sequence = 300")
        connection.execute("update assignments set error = error")
        copyfile(log, forged)
        copyfile(f"{log}-journal", f"{forged}-journal")
    ran = run("audit", forged)
    assert (ran.exit_code, "a program was interrupted while it wrote the file" in ran.stderr) == (2, True)
    assert run("upgrade", forged).exit_code == 0
    assert run("audit", forged).exit_code == 1


def test_each_reason_why_a_log_cannot_be_read_names_its_remedy(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cannot_open = sqlite3.OperationalError("unable to open database file")
    log.with_name(log.name + "-wal").write_bytes(b"frames")
    assert "read-only" not in unusable_message(log, cannot_open)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    remedy = f"its folder is read-only. Copy {log.name} and {log.name}-wal to a writable folder"
    assert remedy in unusable_message(log, cannot_open)
    log.with_name(log.name + "-journal").write_bytes(b"pages")
    assert f"Run `mostao upgrade {log}`, which rolls it back" in unusable_message(log, cannot_open)
    locked = sqlite3.OperationalError("database is locked")  # the program is still writing
    assert "interrupted" not in unusable_message(log, locked)


def test_a_negative_format_is_refused(log: Path) -> None:
    execute(log, "pragma user_version = -1")
    for command in READING:
        ran = run(command, log)
        assert (ran.exit_code, "format -1, which no version of mostao writes" in ran.stderr) == (2, True), command


READING = ["audit", "replay", "checkpoint", "upgrade", "log"]


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm", ""])
@pytest.mark.parametrize("link", [False, True])
def test_a_pipe_beside_a_log_stops_no_command(log: Path, suffix: str, link: bool) -> None:
    pipe = log.with_name(log.name + suffix)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe if not link else f"{pipe}.pipe")
    if link:
        pipe.symlink_to(f"{pipe}.pipe")
    for command in READING:
        ran = run(command, log)
        assert (ran.exit_code, "is not a regular file" in ran.stderr) == (2, True), command
    for _ in range(2):
        with pytest.raises(LogUnusable, match="is not a regular file"):
            asyncio.run(opened(log))
        key_path(log).unlink(missing_ok=True)
        NODE.save(key_path(log))  # a node looks into a log beside its key


async def opened(log: Path) -> None:
    async with Node.open(log, clock=still):
        pass


@pytest.mark.parametrize("suffix", ["", "-wal", "-journal"])
def test_a_pipe_in_the_place_of_the_snapshots_is_a_fault_and_the_node_replaces_it(log: Path, suffix: str) -> None:
    pipe = Path(f"{snapshots_path(log)}{suffix}")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    [fault] = audit(log).faults
    assert "is not a regular file" in str(fault.found)
    if not suffix:
        asyncio.run(opened(log))
        assert audit(log).faults == []


def test_a_pipe_in_the_place_of_the_key_stops_no_command(log: Path) -> None:
    os.mkfifo(key_path(log))
    ran = run("checkpoint", log)
    assert (ran.exit_code, "it is not a regular file" in ran.stderr) == (2, True)
    with pytest.raises(WalletError, match="it is not a regular file"):
        asyncio.run(opened(log))


def test_a_named_pipe_for_an_output_is_refused(log: Path) -> None:
    pipe = log.with_name("pipe")
    os.mkfifo(pipe)
    ran = run("export", log, "--output", pipe)
    assert (ran.exit_code, "is a named pipe" in ran.stderr) == (2, True)


def roots(path: Path) -> list[int]:
    return [root for [root] in execute(path, "select rootpage from sqlite_master where rootpage > 1")]


def test_a_damaged_page_of_any_tree_is_a_fault(log: Path) -> None:
    original = log.read_bytes()
    [[page_bytes]] = execute(log, "pragma page_size")
    for root in roots(log):
        damaged = bytearray(original)
        damaged[(root - 1) * page_bytes : root * page_bytes] = bytes([0x5A]) * page_bytes
        log.write_bytes(damaged)
        assert audit(log).faults
        ran = run("audit", log, "--all")
        assert (ran.exit_code, ran.stdout.count("FAULT") > 0) == (1, True)


@pytest.mark.parametrize("pages", [1, 2, 5, 20])
def test_a_file_that_was_cut_short_is_a_fault(log: Path, pages: int) -> None:
    log.write_bytes(log.read_bytes()[: -4096 * pages])
    assert run("audit", log).exit_code == 1


def test_no_bit_flips_into_another_content_without_a_fault(log: Path) -> None:
    draw = random.Random(1)
    original, content = log.read_bytes(), rows_of(log)
    for _ in range(10):
        flipped = bytearray(original)
        flipped[draw.randrange(100, len(flipped))] ^= 1 << draw.randrange(8)
        log.write_bytes(flipped)
        assert audit(log).faults or rows_of(log) == content


def rows_of(path: Path) -> list[list[object]]:
    """All that a reader of the file can see."""
    return [execute(path, f"select * from {name}") for name in (*TABLES, "sqlite_master", "processes")]
