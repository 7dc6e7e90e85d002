"""Changes a log's file as someone else could: with SQLite alone, while no node has it open."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any


def execute(path: Path, statement: str, arguments: Iterable[Any] = ()) -> list[Any]:
    """Execute a statement on a file, commit, and return its rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, tuple(arguments)).fetchall()


def drop_indexes(path: Path) -> None:
    """Drop the indexes and triggers of a file: what must be unique need not be for a forger."""
    query = "select type, name from sqlite_master where type in ('index', 'trigger') and sql is not null"
    for kind, name in execute(path, query):
        execute(path, f"drop {kind} {name}")
