"""The copy of an open log to which no name leads any more: the last copy of its events ends when it is closed."""

import os
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path


def rescue(connection: sqlite3.Connection, log: Path, *, mode: int) -> Path | None:
    """Copy the open log to a new file ``<log>.rescued-<n>``.

    Args:
        connection: has the log open.
        log: the name that the log had.
        mode: permissions of the new file.

    Returns:
        The new file; None if it cannot be written.
    """
    try:
        path = _new_file(log, mode)
    except OSError:  # the folder is gone, too, or cannot be written
        return None
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            connection.backup(copy)
            copy.execute("pragma journal_mode = delete")  # the one file is the whole log
    except sqlite3.Error:
        with suppress(OSError):
            path.unlink()
        return None
    return path


def _new_file(log: Path, mode: int) -> Path:
    for number in count(1):
        path = log.with_name(f"{log.name}.rescued-{number}")
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
            return path
    raise AssertionError("count has no end")
