"""Opening SQLite files for one writer and many readers, and the error messages when a file cannot be opened."""

import os
import sqlite3
from pathlib import Path
from typing import cast

from eventstore.errors import LogMissing, LogUnusable
from eventstore.sqlite.file_format import FORMAT, check_format
from eventstore.sqlite.orphans import has_pages, refuse_empty_log, refuse_irregular_files

WAL_PAGES = 4_096
"""Pages (of 4 KiB) of the write-ahead log above which it is copied into the file. A batch touches hundreds of index
pages, and the next batch touches many of them again: with SQLite's default of 1,000 each would be written twice. A
larger value makes senders wait longer during the copy."""
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""The errors of reading a damaged file. An error message of SQLite that is not UTF-8 becomes the second one."""


def existing_log(path: str | Path) -> Path:
    """The absolute path of a log that must exist.

    Raises:
        LogMissing: there is no such file.
        LogUnusable: the path is a folder.
    """
    path = Path(path).resolve()
    if not path.exists():
        raise LogMissing(f"there is no log at {path}")
    if path.is_dir():
        raise LogUnusable(f"{path} is a folder: name the log file in it")
    return path


def connect(path: Path, query: str, *, exclusive: bool = False) -> sqlite3.Connection:
    """Open a connection and check that it can read the file.

    Args:
        path: the file.
        query: parameters of SQLite's URI.
        exclusive: no other connection of this process opens the file, so a faster library may be used.

    Raises:
        sqlite3.Error: the file cannot be opened or read.
    """
    uri = f"{path.as_uri()}?{query}"
    if exclusive:
        from eventstore.sqlite.apsw_connection import Connection  # few processes need it

        connection = cast("sqlite3.Connection", Connection(uri))
    else:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("pragma schema_version").fetchone()
    connection.execute("pragma trusted_schema = off")  # a file's own views and indexes call no unsafe function
    return connection


def connect_to_read(path: Path, *, exclusive: bool = False) -> sqlite3.Connection:
    """Open a connection for reading only, while a node may be writing the file.

    Raises:
        LogUnusable: the file or one beside it is not a regular file.
        sqlite3.Error: the file cannot be opened or read.
    """
    refuse_irregular_files(path)
    try:
        return connect(path, "mode=ro", exclusive=exclusive)
    except sqlite3.OperationalError:
        # A reader of a file in WAL mode creates a shared-memory index beside it, which fails in a read-only folder.
        # No node writes in such a folder, so the file is immutable. If a write-ahead log or a rollback journal is
        # beside the file, reading the file alone would be wrong: who opens it for writing reads other pages.
        if has_pages(path, "-wal") or has_pages(path, "-journal"):
            raise
        return connect(path, "mode=ro&immutable=1", exclusive=exclusive)


def connect_to_log(path: Path, *, excerpt: bool = False, exclusive: bool = False) -> sqlite3.Connection:
    """Open a log of the newest format for reading only. Its schema is not compared yet.

    Raises:
        LogUnusable: the file is not a log, has another format, or cannot be read.
    """
    refuse_empty_log(path)
    try:
        connection = connect_to_read(path, exclusive=exclusive)
        try:
            format_ = check_format(connection, path, excerpt=excerpt)
            if format_ == 0:
                raise LogUnusable(f"{path} is empty: it holds no log")
            if format_ < FORMAT:
                raise LogUnusable(
                    f"{path} is a log of format {format_}; this version reads format {FORMAT}:"
                    f" run `mostao upgrade {path}`"
                )
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise LogUnusable(unusable_message(path, error)) from None
    return connection


def prepare_to_write(connection: sqlite3.Connection) -> None:
    """Configure a connection that appends to a log."""
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma cache_size = -65536")
    connection.execute(f"pragma wal_autocheckpoint = {WAL_PAGES}")


def refuse_other_files(path: Path) -> None:
    """Check that a file, if it exists, is a log that this version can open.

    Raises:
        LogUnusable: the file belongs to another program, or is a log of a newer format.
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
        if _is_not_a_database(error):  # opening for writing may repair other errors, such as a hot journal
            raise LogUnusable(unusable_message(path, error)) from None


def unusable_message(path: Path, error: Exception) -> str:
    """The error message for a file that cannot be used as a log."""
    if _is_not_a_database(error):
        return f"{path} is not a mostao log (it is not an SQLite file)"
    remedy = ""
    if "malformed" in str(error):
        remedy = ": the file is damaged, restore a copy"
    elif has_pages(path, "-journal") and "locked" not in str(error):
        remedy = (
            f": a program was interrupted while it wrote the file. Run `mostao upgrade {path}`, which rolls it back (or"
            f" copy {path.name} and {path.name}-journal to a writable folder first)"
        )
    elif "unable to open" in str(error) and has_pages(path, "-wal") and not os.access(path.parent, os.W_OK):
        remedy = f": its folder is read-only. Copy {path.name} and {path.name}-wal to a writable folder"
    return f"{path} cannot be used ({error}){remedy}"


def _is_not_a_database(error: Exception) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB"
