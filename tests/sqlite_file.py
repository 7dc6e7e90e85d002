"""Changes a log's file as someone else could: with SQLite alone, while no node has it open."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any


def execute(path: Path, statement: str, arguments: Iterable[Any] = ()) -> list[Any]:
    """Execute a statement on a file, commit, and return its rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, tuple(arguments)).fetchall()


@contextmanager
def loose(path: Path) -> Iterator[None]:
    """Permit any change within the block: no index refuses what must be unique, and no column has a type.

    Afterwards the schema reads as before, and the indexes contain the rows as they are.
    """
    query = "select type, name, sql from sqlite_master where type in ('index', 'table') and sql is not null"
    defined = {name: (kind, sql) for kind, name, sql in execute(path, query)}
    indexes = {name: sql for name, (kind, sql) in defined.items() if kind == "index"}
    [table] = [sql for name, (_, sql) in defined.items() if name == "assignments"]
    for name in indexes:
        execute(path, f"drop index {name}")
    rewrite_definition(path, "assignments", re.sub(" (TEXT|BLOB|INTEGER)(?! PRIMARY)( NOT NULL)?", "", table))
    yield
    rewrite_definition(path, "assignments", table)
    for name, sql in indexes.items():
        execute(path, sql.replace("UNIQUE", ""))
        rewrite_definition(path, name, sql)


def rewrite_definition(path: Path, object_name: str, sql: str, *, name: str | None = None) -> None:
    """Replace the statement that defines a table, index or view, without touching its rows; optionally its name."""
    name = name or object_name
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        [version] = connection.execute("pragma schema_version").fetchone()
        connection.execute("pragma writable_schema = on")
        connection.execute(
            "update sqlite_master set sql = ?, name = ?, tbl_name = iif(tbl_name = name, ?, tbl_name) where name = ?",
            (sql, name, name, object_name),
        )
        connection.execute(f"pragma schema_version = {version + 1}")
