"""Opening SQLite files: for one writer, for any number of readers, and in words when it does not go."""

import sqlite3
from pathlib import Path

from eventstore.errors import LogMissing, LogUnusable


def existing(path: str | Path) -> Path:
    """Where a log lies that has to be there.

    Raises:
        LogMissing, LogUnusable: there is nothing, or a folder.
    """
    path = Path(path).resolve()
    if not path.exists():
        raise LogMissing(f"there is no log at {path}")
    if path.is_dir():
        raise LogUnusable(f"{path} is a folder: name the log file in it")
    return path


def connect(path: Path, query: str) -> sqlite3.Connection:
    """A connection with SQLite's URI parameters, of which it is known that it can read."""
    uri = f"{path.as_uri()}?{query}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("pragma schema_version").fetchone()
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that only reads, while somebody else may be writing."""
    try:
        return connect(path, "mode=ro")
    except sqlite3.OperationalError:
        # A reader of a WAL file wants to make its index beside it. In a folder that nobody can write there is no
        # writer either, so the file may be read as it lies; but never past a write-ahead log that it does not hold.
        if path.with_name(path.name + "-wal").exists():
            raise
        return connect(path, "mode=ro&immutable=1")


def unusable(path: Path, error: sqlite3.Error) -> str:
    """Why a file cannot be used as a log."""
    if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
        return f"{path} is not a mostao log (it is no SQLite file)"
    return f"{path} cannot be used ({error})"
