"""Compares the tables, indexes, views and triggers of a file with those that its format defines.

A file that someone else wrote may contain anything under the name of a log's table: a view that shows some readers
other rows, or that never ends; a trigger that changes what a node writes. So a log's schema is compared before any
statement reads a table. The definitions below are text, because readers do not import ``schema``, which needs
sqlite-utils. A test keeps them equal to what the migrations create.
"""

import re
import sqlite3
import string
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from eventstore.errors import LogUnusable
from eventstore.records import ID_START
from eventstore.sqlite.connect import UNREADABLE
from eventstore.sqlite.file_format import FORMAT

_SQL_MAX = 4_096
"""Characters of a statement that is compared. The longest of a log has 550."""


class SchemaObject(NamedTuple):
    """A table, index, view or trigger."""

    type: str
    name: str
    table: str
    """The table that an index or a trigger belongs to; otherwise the object's own name."""
    sql: str | None
    """The statement that created it, normalised; None for an index that SQLite created for a constraint."""

    def __str__(self) -> str:
        return f"{self.type} {self.name}"

    @property
    def definition(self) -> str:
        """The statement, or the reason why there is none."""
        return self.sql or "an index of a primary key or of unique columns"


class Difference(NamedTuple):
    """An object that a file lacks, has in addition, or defines in another way than its format does."""

    object: str
    expected: str | None
    found: str | None
    is_harmless: bool
    """The object is additional, and neither a node nor a reader of this project uses it."""


def normalised(sql: str) -> str:
    """A statement with one space between words, words in lower case, and names in double quotes as they are.

    Two statements that differ in meaning never become equal. The order of words stays, and so does text in quotes.
    Words, spaces and letter case are those of SQLite's tokenizer (https://sqlite.org/src/file/src/tokenize.c), which
    is limited to ASCII: a no-break space belongs to the word beside it, and the Kelvin sign is no k.
    """
    return sql if len(sql) > _SQL_MAX else _normalised(sql)


@lru_cache(maxsize=64)
def _normalised(sql: str) -> str:
    return " ".join(
        word if word[0] in "\"'" else f'"{word[1:-1]}"' if word[0] in "[`" else word.translate(_LOWER)
        for word in _WORD.findall(sql)
    )


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WORD = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|\[[^]"]*\]|`[^`"]*`|[A-Za-z0-9_$\x80-\U0010ffff]+|[^ \t\n\f\r]""")


def _table(name: str, sql: str) -> SchemaObject:
    return SchemaObject("table", name, name, normalised(sql))


def _index(name: str, table: str, sql: str | None) -> SchemaObject:
    return SchemaObject("index", name, table, sql and normalised(sql))


_COLUMNS = """
    "sequence" INTEGER PRIMARY KEY,
    "process" TEXT NOT NULL,
    "slot" INTEGER NOT NULL,
    "timestamp" INTEGER NOT NULL,
    "message_id" TEXT NOT NULL,
    "sender" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "parent" INTEGER,
    "tags" TEXT NOT NULL,
    "data" BLOB NOT NULL,
    "anchor" TEXT,
    "envelope" BLOB,
    "process_chain" BLOB,
    "log_chain" BLOB,
    "output" TEXT,
    "error" TEXT
"""
_PROCESSES = """
    CREATE VIEW "processes" AS select process, sequence, timestamp, sender as spawned_by, (
        select json_extract(value, '$[1]') from json_each(tags) where json_extract(value, '$[0]') = 'Module'
    ) as module, coalesce((
        select json_extract(value, '$[1]') from json_each(tags) where json_extract(value, '$[0]') = 'Owner'
    ), sender) as owner from assignments where slot = 0
"""
_MIGRATIONS_INDEX = "idx__sqlite_migrations_migration_set_name"
_PARENT = "idx_assignments_parent"

DEFINED = (
    _table(
        "_sqlite_migrations",
        'CREATE TABLE "_sqlite_migrations" ("id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT,'
        ' "applied_at" TEXT)',
    ),
    _index(
        _MIGRATIONS_INDEX,
        "_sqlite_migrations",
        f'CREATE UNIQUE INDEX "{_MIGRATIONS_INDEX}" ON "_sqlite_migrations" ("migration_set", "name")',
    ),
    _table("assignments", f'CREATE TABLE "assignments" ({_COLUMNS}, "spawn" INTEGER)'),
    _index(_PARENT, "assignments", f"CREATE INDEX {_PARENT} on assignments(parent) where parent is not null"),
    _index(
        "idx_assignments_spawn_slot",
        "assignments",
        'CREATE UNIQUE INDEX "idx_assignments_spawn_slot" ON "assignments" ("spawn", "slot")',
    ),
    _index(
        "idx_assignments_first",
        "assignments",
        f"CREATE INDEX idx_assignments_first on assignments(substr(process, 1, {ID_START})) where slot = 0",
    ),
    _table(
        "tree",
        'CREATE TABLE "tree" ("level" INTEGER NOT NULL, "number" INTEGER NOT NULL, "hash" BLOB NOT NULL,'
        ' PRIMARY KEY ("level", "number"))',
    ),
    _index("sqlite_autoindex_tree_1", "tree", None),
    _table("checkpoints", 'CREATE TABLE "checkpoints" ("sequence" INTEGER PRIMARY KEY, "note" TEXT NOT NULL)'),
    _table(
        "ids",
        "CREATE TABLE ids (id_start text not null, sequence integer not null, primary key (id_start, sequence))"
        " without rowid",
    ),
    SchemaObject("view", "processes", "processes", normalised(f"{_PROCESSES} order by sequence")),
)
"""What the newest format defines."""

DEFINED_BEFORE = (
    _table("assignments", f'CREATE TABLE "assignments" ({_COLUMNS})'),
    _table("assignments", f'CREATE TABLE "assignments" ({_COLUMNS}, "id_start" TEXT, "spawn" INTEGER)'),
    _index(_PARENT, "assignments", f'CREATE INDEX "{_PARENT}" ON "assignments" ("parent")'),
    _index(
        "idx_assignments_message_id",
        "assignments",
        'CREATE UNIQUE INDEX "idx_assignments_message_id" ON "assignments" ("message_id")',
    ),
    _index(
        "idx_assignments_process_slot",
        "assignments",
        'CREATE UNIQUE INDEX "idx_assignments_process_slot" ON "assignments" ("process", "slot")',
    ),
    _index(
        "idx_assignments_id_start",
        "assignments",
        'CREATE INDEX "idx_assignments_id_start" ON "assignments" ("id_start")',
    ),
    SchemaObject("view", "processes", "processes", normalised(_PROCESSES)),
    SchemaObject(
        "trigger",
        "no_message_twice",
        "assignments",
        normalised(
            "CREATE TRIGGER no_message_twice before insert on assignments when exists ("
            " select 1 from assignments where id_start = new.id_start and message_id = new.message_id"
            ") begin select raise(rollback, 'a message with this id is there already'); end"
        ),
    ),
)
"""What older formats defined in addition or in another way. An interrupted upgrade may leave objects of two formats."""

MIGRATIONS = ("m001_assignments", "m002_tree_and_checkpoints", "m003_short_indexes", "m004_ids_in_order")
"""The migrations that made a file of the newest format, in order."""

_STATISTICS = (
    _table("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    _table("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
)
"""What ``ANALYZE`` creates. It changes how fast a query runs, never what it finds."""


def refuse_other_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Check that nothing stands in the place of a log's tables, and that no trigger changes what is written.

    Additional tables, views and indexes of a user are permitted; ``schema_differences`` reports them.

    Raises:
        LogUnusable: the schema is not that of the newest format.
    """
    _refuse(schema_differences(connection), path)


def refuse_unknown_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Check a log of an older format before its upgrade. Additional objects of a user are permitted here, too.

    Raises:
        LogUnusable: a table, index, view or trigger has another definition than in every format.
    """
    try:
        objects = _objects(connection)
    except UnicodeDecodeError as error:
        raise LogUnusable(f"{path} cannot be used (its schema is malformed: {error}): restore a copy") from None
    known = {*DEFINED, *DEFINED_BEFORE}
    _refuse((_surplus(found) for found in objects if found not in known), path)


def schema_differences(connection: sqlite3.Connection) -> list[Difference]:
    """Every difference between a file's schema and that of the newest format."""
    try:
        found = _objects(connection)
    except UNREADABLE as error:
        return [Difference("the whole schema", "one that SQLite can read", str(error), is_harmless=False)]
    unexpected = Counter(found) - Counter((*DEFINED, *_STATISTICS))
    by_name = {(surplus.type, surplus.name): surplus for surplus in unexpected}
    differences = []
    for defined in DEFINED:
        if defined not in found:
            if defined.name == _MIGRATIONS_INDEX and (defined.type, defined.name) not in by_name:
                continue  # sqlite-utils creates it after its table, in a transaction of its own: a crash may omit it
            other = by_name.get((defined.type, defined.name))
            if other is not None:
                del unexpected[other]
            found_text = other and other.definition
            differences.append(Difference(str(defined), defined.definition, found_text, is_harmless=False))
    return differences + [_surplus(other) for other in unexpected]


def _surplus(found: SchemaObject) -> Difference:
    """An object that the format does not define."""
    is_harmless = found.type in ("table", "index", "view") and found.name not in _NAMES and not _is_reserved(found)
    return Difference(str(found), None, found.definition, is_harmless)


def _is_reserved(found: SchemaObject) -> bool:
    """Whether an object has a name that SQLite reserves, and is not what SQLite creates for a table of a user."""
    if not found.name.lower().startswith("sqlite_"):
        return False
    is_index_of_user = (
        found.type == "index"
        and found.sql is None
        and found.table.lower() not in _NAMES
        and found.name.removeprefix(f"sqlite_autoindex_{found.table}_").isdecimal()
    )
    return not is_index_of_user and found != _SEQUENCES


_NAMES = {defined.name for defined in (*DEFINED, *DEFINED_BEFORE)}
_SEQUENCES = _table("sqlite_sequence", "CREATE TABLE sqlite_sequence(name,seq)")
"""What SQLite creates for a table of a user with ``autoincrement``."""


def _objects(connection: sqlite3.Connection) -> list[SchemaObject]:
    # The table's first name: a forger's view may have the name sqlite_schema. As bytes: text may not be UTF-8.
    rows = connection.execute(
        "select cast(type as blob), cast(name as blob), cast(tbl_name as blob), cast(sql as blob) from sqlite_master"
    ).fetchall()
    return [_object_of([None if value is None else value.decode(errors="replace") for value in row]) for row in rows]


def _object_of(row: list[str | None]) -> SchemaObject:
    type_, name, table, sql = row
    return SchemaObject(str(type_), str(name), str(table), sql and normalised(sql))


def _refuse(differences: Iterable[Difference], path: Path) -> None:
    """Raise ``LogUnusable`` for the first difference that is not harmless."""
    for object_, expected, found, is_harmless in differences:
        if is_harmless:
            continue
        what = "is missing" if found is None else "is not part of a log" if expected is None else "is not as defined"
        raise LogUnusable(
            f"{path} does not have the tables of a mostao log: the {object_} {what}. Restore a copy of the log;"
            f" `mostao audit {path} --all` lists every difference of a log of format {FORMAT}"
        )
