"""The schema of a file against the one that its format defines."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from eventstore import LogUnusable
from eventstore.sqlite import file_check
from eventstore.sqlite.file_check import schema_faults
from eventstore.sqlite.file_format import FORMAT
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.schema import migrations
from eventstore.sqlite.schema_check import (
    DEFINED,
    DEFINED_BEFORE,
    MIGRATIONS,
    SchemaObject,
    normalised,
    schema_differences,
)
from eventstore.sqlite.upgrade import upgrade
from eventstore.sqlite.writer_lock import lock_path
from tests.eventstore.logs import append, assignments, write_in_format
from tests.sqlite_file import execute, rewrite_definition


@pytest.fixture
def log(path: Path) -> Path:
    written = SqliteLog.open(path)
    append(written, assignments(600), expected=0)
    written.close()
    return path


def objects(database: Database) -> Iterator[SchemaObject]:
    for *names, sql in database.execute("select type, name, tbl_name, sql from sqlite_master"):
        yield SchemaObject(*names, sql and normalised(sql))


def test_the_text_of_the_definitions_is_what_the_migrations_create() -> None:
    found = []
    for number in range(1, FORMAT + 1):
        database = Database(memory=True)
        names = [migration.name for migration in migrations.pending(database)]
        migrations.apply(database, stop_before=names[number : number + 1])
        found.append(set(objects(database)))
    assert found[-1] == set(DEFINED)
    assert set().union(*found) - set(DEFINED) == set(DEFINED_BEFORE)
    assert [migration.name for migration in migrations.pending(Database(memory=True))] == [*MIGRATIONS]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("create index i on t(a) where b is not null", "create index i on t(a) where b is not 'null'"),
        ("create index i on t(a) where b is not null", 'create index i on t(a) where b is not "null"'),
        ("select '$[1]'", "select '$[ 1]'"),
        ("select 'Module'", "select 'module'"),
        ("select a", "select -- a"),
        ("select ab", "select a b"),
        ("select a", "select 'a'"),
        ('select "a"', "select 'a'"),
        ('select "a""b"', 'select "a" "b"'),
        ('select [a"b]', 'select "a" "b"'),
    ],
)
def test_statements_of_another_meaning_stay_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


SPACE = [chr(code) for code in range(0x110000) if chr(code).isspace() and chr(code) not in " \t\n\f\r"]
NO_SPACE_OF_SQLITE = [
    *SPACE,
    "\0",
    "\x01",
    "\x7f",
    "\u200b",
    "\ufeff",
    "\ufffd",
    "\u00e9",
    "\U0001d400",
    "$",
    "-",
    "_",
    "1",
]
WORD_OR_SIGN = re.compile(r""""[^"]*"|'[^']*'|\w+|\S""")


@pytest.mark.parametrize("defined", [each for each in DEFINED if each.sql], ids=str)
def test_no_character_but_space_of_sqlite_separates_words(defined: SchemaObject) -> None:
    sql = str(defined.sql)
    for word in WORD_OR_SIGN.finditer(sql):
        before, after = sql[: word.end()], sql[word.end() :]
        for added in NO_SPACE_OF_SQLITE:
            assert normalised(before + added + after) != sql
            assert normalised(before + added + after.removeprefix(" ")) != sql
        assert normalised(f"{before}\n\t\f\r {after}") == sql


def test_no_letter_outside_ascii_is_the_lower_or_upper_case_of_one() -> None:
    others = [chr(code) for code in range(0x80, 0x110000)]
    lookalikes = [(each, case) for each in others for case in (each.lower(), each.upper()) if case.isascii()]
    assert lookalikes
    for each, ascii_ in lookalikes:
        assert normalised(f"a{each}b") != normalised(f"a{ascii_}b")


def test_a_column_whose_type_has_a_no_break_space_is_refused(log: Path) -> None:
    [[sql]] = execute(log, "select sql from sqlite_master where name = 'assignments'")
    rewrite_definition(log, "assignments", sql.replace("INTEGER PRIMARY KEY", "INTEGER\u00a0PRIMARY KEY"))
    lock_path(log).unlink()  # it states how many events there were
    for open_log in (SqliteLog.open_to_read, SqliteLog.open, upgrade):
        with pytest.raises(LogUnusable, match="table assignments is not as defined"):
            open_log(log)
    assert [fault.what for fault in schema_faults(log)] == ["schema: table assignments"]


def test_columns_are_compared_as_sqlite_understands_them(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema_faults(log) == []
    monkeypatch.setattr(file_check, "schema_differences", lambda connection: [])
    [[sql]] = execute(log, "select sql from sqlite_master where name = 'assignments'")
    rewrite_definition(log, "assignments", sql.replace("INTEGER PRIMARY KEY", "INTEGER\u00a0PRIMARY KEY"))
    assert [fault.what for fault in schema_faults(log)] == ["schema: columns of table assignments"]


def test_a_trigger_behind_many_views_is_refused(log: Path) -> None:
    with closing(sqlite3.connect(log)) as connection:
        for number in range(1_100):
            connection.execute(f"create view view{number} as select 1")
        connection.execute("create trigger last after insert on assignments begin delete from ids; end")
    for open_log in (SqliteLog.open_to_read, SqliteLog.open, upgrade):
        with pytest.raises(LogUnusable, match="trigger last is not part of a log"):
            open_log(log)


def test_a_user_may_add_tables_with_any_constraint(log: Path) -> None:
    execute(log, "create table notes (name text primary key, note text unique)")
    execute(log, "create table numbers (number integer primary key autoincrement, text)")
    execute(log, "insert into numbers (text) values ('one')")
    with closing(sqlite3.connect(log)) as connection:
        differences = schema_differences(connection)
    assert {difference.object for difference in differences} == {
        "table notes",
        "index sqlite_autoindex_notes_1",
        "index sqlite_autoindex_notes_2",
        "table numbers",
        "table sqlite_sequence",
    }
    assert all(difference.is_harmless for difference in differences)
    SqliteLog.open_to_read(log).close()
    SqliteLog.open(log).close()
    upgrade(log)
    assert execute(log, "select text from numbers") == [("one",)]


def test_another_table_with_the_name_of_sqlites_sequences_is_refused(log: Path) -> None:
    execute(log, "create table numbers (number integer primary key autoincrement)")
    rewrite_definition(log, "sqlite_sequence", "CREATE TABLE sqlite_sequence(name, seq, more)")
    with pytest.raises(LogUnusable, match=r"table sqlite_sequence is not part of a log|the whole schema"):
        SqliteLog.open_to_read(log)


def test_a_missing_and_an_additional_index_without_a_statement_have_different_messages(log: Path) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("update sqlite_master set name = 'tree_key' where name = 'sqlite_autoindex_tree_1'")
        [[root]] = connection.execute("select rootpage from sqlite_master where name = 'tree_key'")
        found = schema_differences(connection)
    assert root
    assert [(each.object, each.expected is None, each.found is None) for each in found] == [
        ("index sqlite_autoindex_tree_1", False, True),
        ("index tree_key", True, False),
    ]


def test_space_case_and_the_kind_of_quotes_do_not_matter() -> None:
    assert normalised('CREATE TABLE "a" (\n  "b" TEXT\n, "c" INTEGER)') == normalised(
        'create table [a](`b` text,"c" integer)'
    )


FORGED = {
    "view processes": ["drop view processes", "create view processes as select 'nobody' as process"],
    "view assignments": [
        "create table hidden as select * from assignments",
        "drop view processes",
        "drop table assignments",
        "create view assignments as with recursive n(i) as (select 1 union all select i from n) select i from n",
    ],
    "trigger quiet": ["create trigger quiet after insert on assignments begin delete from ids; end"],
    "trigger elsewhere": ["create table mine (a)", "create trigger elsewhere after insert on mine begin select 1; end"],
    "table ids": ["drop table ids"],
    "table tree": ["drop table tree"],
    "table checkpoints": ["drop table checkpoints"],
    "table _sqlite_migrations": ["drop table _sqlite_migrations"],
    "index idx_assignments_parent": [
        "drop index idx_assignments_parent",
        "create index idx_assignments_parent on assignments(parent) where parent is not null and sequence <> 5",
    ],
    "index idx_assignments_spawn_slot": ["drop index idx_assignments_spawn_slot"],
    "table assignments": ["alter table assignments add column shadow as (slot + 1)"],
}


@pytest.mark.parametrize("name", FORGED)
def test_no_reader_and_no_writer_opens_a_log_whose_schema_someone_changed(log: Path, name: str) -> None:
    for statement in FORGED[name]:
        execute(log, statement)
    for open_log in (SqliteLog.open_to_read, SqliteLog.open, upgrade):
        with pytest.raises(LogUnusable, match="does not have the tables of a mostao log"):
            open_log(log)
    with closing(sqlite3.connect(log)) as connection:
        assert name in {difference.object for difference in schema_differences(connection)}


def test_a_table_without_rowid_in_the_place_of_another_is_refused(log: Path) -> None:
    execute(
        log,
        "create table other (level integer not null, number integer not null, hash blob not null,"
        " primary key (level, number)) without rowid",
    )
    execute(log, "insert into other select * from tree")
    execute(log, "drop table tree")
    execute(log, "alter table other rename to tree")
    with pytest.raises(LogUnusable, match="table tree is not as defined"):
        SqliteLog.open_to_read(log)


def test_a_schema_that_sqlite_cannot_read_is_refused(log: Path) -> None:
    rewrite_definition(log, "tree", "create nonsense")
    with pytest.raises(LogUnusable, match="the whole schema"):
        SqliteLog.open_to_read(log)


def test_a_view_with_the_name_of_the_schema_hides_nothing(log: Path) -> None:
    execute(log, "create view harmless as select * from assignments")
    rewrite_definition(log, "harmless", "CREATE VIEW sqlite_schema as select 1", name="sqlite_schema")
    with pytest.raises(LogUnusable, match=r"view sqlite_schema|the whole schema"):
        SqliteLog.open_to_read(log)


def test_a_crash_while_a_log_is_created_may_omit_the_index_of_the_migrations(log: Path) -> None:
    execute(log, "drop index idx__sqlite_migrations_migration_set_name")
    with closing(sqlite3.connect(log)) as connection:
        assert schema_differences(connection) == []
    SqliteLog.open(log).close()


def test_a_user_may_add_an_index_a_view_and_statistics(log: Path) -> None:
    database = Database(log)
    database["assignments"].create_index(["sender"], analyze=True)  # type: ignore[union-attr]
    database.create_view("refused", "select * from assignments where error is not null")
    database.close()
    reader = SqliteLog.open_to_read(log)
    differences = schema_differences(reader._connection)
    assert [(difference.object, difference.is_harmless) for difference in differences] == [
        ("index idx_assignments_sender", True),
        ("view refused", True),
    ]
    reader.close()
    SqliteLog.open(log).close()


@pytest.mark.parametrize("number", [2, 3])
def test_no_log_of_an_older_format_is_upgraded_if_someone_changed_its_schema(
    log: Path, tmp_path: Path, number: int
) -> None:
    older = tmp_path / "older.db"
    write_in_format(number, older, log)
    execute(older, "alter table assignments rename to hidden")
    execute(
        older, "create view assignments as with recursive n(i) as (select 1 union all select i from n) select i from n"
    )
    with pytest.raises(LogUnusable, match="does not have the tables of a mostao log"):
        upgrade(older)
