"""How a log file is known."""

import sqlite3
from pathlib import Path

from eventstore.errors import LogUnusable

APPLICATION_ID = 0x4D4F5354
"""SQLite's application id of a log file: "MOST"."""
FORMAT = 2
"""Number of the newest migration of ``schema``; kept in ``PRAGMA user_version``."""


def check_format(connection: sqlite3.Connection, path: Path) -> int:
    """The format of a file that may be a log; 0 for an empty database.

    Raises:
        LogUnusable: it is another application's database, or of a newer format.
    """
    [application_id] = connection.execute("pragma application_id").fetchone()
    [format_] = connection.execute("pragma user_version").fetchone()
    if application_id != APPLICATION_ID:
        if application_id == 0 and format_ == 0 and not connection.execute("select 1 from sqlite_master").fetchone():
            return 0
        raise LogUnusable(f"{path} is an SQLite database, but not a mostao log")
    if format_ > FORMAT:
        raise LogUnusable(
            f"{path} is a log of format {format_}; this version reads up to format {FORMAT}: use a newer mostao"
        )
    return int(format_)
