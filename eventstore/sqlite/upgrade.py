"""The upgrade of a log of an older format."""

import sqlite3
from pathlib import Path

from eventstore.commit_log import Head
from eventstore.errors import LogUnusable
from eventstore.sqlite.connect import connect, connect_to_read, existing_log, unusable_message
from eventstore.sqlite.file_format import check_format
from eventstore.sqlite.log import SqliteLog


def upgrade(path: str | Path, *, accept_loss: bool = False) -> tuple[int, Head]:
    """Migrate a log, or an excerpt of one, to the newest format. Its events stay as they are.

    An interrupted upgrade leaves the log as it was.

    Args:
        path: the log.
        accept_loss: continue without acknowledged events that are missing.

    Returns:
        The format before the upgrade, and the head of the log.

    Raises:
        LogMissing: there is no such file.
        LogInUse: a node is writing the log.
        LogUnusable: the file is not a log, has a newer format, or cannot be written.
        StorageDamaged: acknowledged events are missing, and ``accept_loss`` is not set.
    """
    path = existing_log(path)
    old_format = _format_of(path)
    log = SqliteLog.open(path, excerpt=True, accept_loss=accept_loss)
    try:
        return old_format, log.head()
    finally:
        log.close()


def _format_of(path: Path) -> int:
    try:
        try:
            connection = connect_to_read(path)
        except sqlite3.OperationalError:
            connection = connect(path, "mode=rw")  # rolls back what a crash interrupted
        try:
            format_ = check_format(connection, path, excerpt=True)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LogUnusable(unusable_message(path, error)) from None
    if not format_:
        raise LogUnusable(f"{path} is empty: it holds no log")
    return format_
