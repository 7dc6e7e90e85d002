"""A log of an older format, brought to the newest."""

import sqlite3
from pathlib import Path

from eventstore.commit_log import Head
from eventstore.errors import LogUnusable
from eventstore.sqlite.connect import connect_to_read, existing, unusable
from eventstore.sqlite.file_format import check_format
from eventstore.sqlite.log import SqliteLog


def upgrade(path: str | Path) -> tuple[int, Head]:
    """Bring a log, or an excerpt of one, to the newest format, its events as they are.

    If that is interrupted, the log stays as it was.

    Returns:
        The format that it had, and its end.

    Raises:
        LogMissing: there is no log.
        LogInUse: a node is writing it.
        LogUnusable: it is no log, of a newer format, or cannot be written.
    """
    path = existing(path)
    had = _format(path)
    log = SqliteLog.open(path, excerpt=True)
    try:
        return had, log.head()
    finally:
        log.close()


def _format(path: Path) -> int:
    try:
        connection = connect_to_read(path)
        try:
            found = check_format(connection, path, excerpt=True)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LogUnusable(unusable(path, error)) from None
    if not found:
        raise LogUnusable(f"{path} is empty: it holds no log")
    return found
