"""How a log file identifies itself: its application id and its format."""

import sqlite3
from pathlib import Path

from eventstore.errors import LogUnusable

APPLICATION_ID = 0x4D4F5354
"""SQLite's application id of a log file: "MOST"."""
EXCERPT_ID = 0x4D4F5345
"""SQLite's application id of an excerpt, which contains the histories of some processes of another log: "MOSE"."""
FORMAT = 4
"""The newest format: the number of migrations in ``schema``. A file stores its format in ``PRAGMA user_version``."""


def is_excerpt(connection: sqlite3.Connection) -> bool:
    """Whether a file is an excerpt of another log."""
    [application_id] = connection.execute("pragma application_id").fetchone()
    return bool(application_id == EXCERPT_ID)


def check_format(connection: sqlite3.Connection, path: Path, *, excerpt: bool = False) -> int:
    """The format of a log; 0 for an empty database.

    Args:
        connection: to the file.
        path: the file, for error messages.
        excerpt: accept an excerpt.

    Raises:
        LogUnusable: the file is another application's database, has a newer or a negative format, or is an excerpt.
    """
    [application_id] = connection.execute("pragma application_id").fetchone()
    [format_] = connection.execute("pragma user_version").fetchone()
    if application_id == EXCERPT_ID:
        if not excerpt:
            raise LogUnusable(f"{path} is an excerpt of another log: it can be listed and replayed, and nothing else")
        application_id = APPLICATION_ID
    if application_id != APPLICATION_ID:
        if application_id == 0 and format_ == 0 and _is_empty(connection):
            return 0
        raise LogUnusable(f"{path} is an SQLite database, but not a mostao log")
    if format_ < 0:
        raise LogUnusable(f"{path} has format {format_}, which no version of mostao writes: restore a copy")
    if format_ > FORMAT:
        raise LogUnusable(
            f"{path} is a log of format {format_}; this version reads up to format {FORMAT}: use a newer mostao"
        )
    return int(format_)


def _is_empty(connection: sqlite3.Connection) -> bool:
    try:
        return not connection.execute("select 1 from sqlite_master").fetchone()
    except UnicodeDecodeError:  # of the message of an error: the schema is malformed
        return False
