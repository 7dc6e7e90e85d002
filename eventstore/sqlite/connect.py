"""Opening SQLite files: for one writer, for any number of readers, and in words when it does not go."""

import sqlite3
from pathlib import Path
from typing import cast

from eventstore.errors import LogMissing, LogUnusable
from eventstore.sqlite.file_format import check_format

WAL_PAGES = 4_096
"""Pages (of 4 KiB) of the write-ahead log from which on it is folded into the file. A batch touches hundreds of pages
of indexes, and the next one many of them again: with SQLite's own 1,000 each would be written twice. With more, whoever
waits meanwhile waits longer."""


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


def connect(path: Path, query: str, *, exclusive: bool = False) -> sqlite3.Connection:
    """A connection of which it is known that it can read.

    Args:
        path: the file.
        query: SQLite's URI parameters.
        exclusive: nobody else in this process opens the file: take the faster library.
    """
    uri = f"{path.as_uri()}?{query}"
    if exclusive:
        from eventstore.sqlite.apsw_connection import Connection  # most processes have no use for it

        connection = cast("sqlite3.Connection", Connection(uri))
    else:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("pragma schema_version").fetchone()
    return connection


def connect_to_read(path: Path, *, exclusive: bool = False) -> sqlite3.Connection:
    """A connection that only reads, while somebody else may be writing."""
    try:
        return connect(path, "mode=ro", exclusive=exclusive)
    except sqlite3.OperationalError:
        # A reader of a WAL file wants to make its index beside it. In a folder that nobody can write there is no
        # writer either, so the file may be read as it lies; but never past a write-ahead log that it does not hold.
        if path.with_name(path.name + "-wal").exists():
            raise
        return connect(path, "mode=ro&immutable=1", exclusive=exclusive)


def prepare_to_write(connection: sqlite3.Connection) -> None:
    """Set what a connection has to have that appends to a log."""
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma cache_size = -65536")
    connection.execute(f"pragma wal_autocheckpoint = {WAL_PAGES}")


def refuse_other_files(path: Path) -> None:
    """Let a file pass that is a log, or that is still to be made.

    Raises:
        LogUnusable: it is another program's, or a log of a newer format.
    """
    if not path.exists():
        return
    try:
        connection = connect_to_read(path)
        try:
            check_format(connection, path, excerpt=True)
        finally:
            connection.close()
    except sqlite3.Error as error:
        if _is_no_database(error):  # whatever else is wrong, whoever opens it for writing may mend
            raise LogUnusable(unusable(path, error)) from None


def unusable(path: Path, error: sqlite3.Error) -> str:
    """Why a file cannot be used as a log."""
    if _is_no_database(error):
        return f"{path} is not a mostao log (it is no SQLite file)"
    return f"{path} cannot be used ({error})"


def _is_no_database(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB"
