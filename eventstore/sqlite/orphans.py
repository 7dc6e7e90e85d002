"""Files beside a log that do not belong to it, and a log without the files that belong to it.

SQLite deletes some of these files in silence, merges others, and opens a log that lacks its newest events.
"""

import logging
import stat
from pathlib import Path

from eventstore.errors import LogUnusable
from eventstore.sqlite.file_identity import FileId, is_open_here
from eventstore.sqlite.file_names import SQLITE_SUFFIXES, beside

_FORMAT_BYTES = slice(18, 20)
"""Where the header of a database says whether it uses a write-ahead log (https://sqlite.org/fileformat2.html)."""
_CLOSED, _OPEN = b"\1\1", b"\2\2"
_logger = logging.getLogger("mostao")


def irregular_file(path: Path) -> Path | None:
    """The first of a database and the files beside it that is a pipe, a device or the like; None if there is none.

    Opening a pipe blocks until another program opens its other end. Only the database itself may be a symbolic link.
    """
    for file in (path, *(beside(path, suffix) for suffix in SQLITE_SUFFIXES)):
        try:
            mode = file.stat(follow_symlinks=file is path).st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            return file
    return None


def refuse_irregular_files(path: Path) -> None:
    """Check that a log and the files beside it are regular files. Call this before SQLite opens the file.

    Raises:
        LogUnusable: one of them is not.
    """
    try:
        file = irregular_file(path)
    except OSError as error:
        raise LogUnusable(f"{path} cannot be used ({error.strerror})") from None
    if file is not None:
        remedy = "name a log file" if file == path else f"move {file.name} away"
        raise LogUnusable(f"{file} is not a regular file: {remedy}")


def refuse_orphans(path: Path) -> None:
    """Check that what is beside a log belongs to it. Call this before SQLite opens the file.

    Raises:
        LogUnusable: a write-ahead log or a rollback journal is beside a log that is missing, empty, or was closed; or
            one of these files is not a regular file.
    """
    refuse_irregular_files(path)
    log_bytes = _size(path)
    for suffix in ("-wal", "-journal"):
        orphan = beside(path, suffix)
        if not has_pages(path, suffix):
            continue
        if log_bytes is None:
            reason = f"{path.name} is missing"
        elif log_bytes == 0 and suffix == "-wal":
            reason = f"{path.name} is empty"
        elif suffix == "-wal" and _format_of(path) == _CLOSED:
            reason = f"{path.name} was closed, so it has no such file: it belongs to another log, or to an older copy"
        else:
            continue
        raise LogUnusable(
            f"{orphan} is left over: {reason}. It may have acknowledged events. Put the file that it belongs to back at"
            f" {path}; or move {orphan.name} away to go on without it"
        )


def warn_if_cut_off(path: Path, lock_file: Path) -> None:
    """Warn about a log that its node did not close, and whose write-ahead log is not beside it.

    Where a lock file is, it tells whether events are missing; a log that was moved or copied has none.
    """
    is_cut_off = not has_pages(path, "-wal") and _format_of(path) == _OPEN
    if is_cut_off and not lock_file.exists():
        _logger.warning(
            "%s was not closed by its node, and has no %s-wal: if it was moved or copied without that file, its newest"
            " events are missing, and an audit does not reveal that; a copy by `sqlite3 LOG .backup` is complete",
            path,
            path.name,
        )


def refuse_empty_log(path: Path) -> None:
    """Check that a log that exists is not empty while its write-ahead log is not: SQLite would delete the latter.

    Raises:
        LogUnusable: it is.
    """
    if path.stat().st_size == 0:
        refuse_orphans(path)


def refuse_hard_links(path: Path) -> None:
    """Check that a file has one name only: each name has a lock file and a write-ahead log of its own.

    Raises:
        LogUnusable: it has several.
    """
    links = path.stat().st_nlink if path.exists() else 1
    if links > 1:
        raise LogUnusable(
            f"{path} has {links} names (hard links), and another node could write it by another name. Stop the node"
            f" that writes it first. List the names with `find {path.parent} -samefile {path}`, and keep the one that"
            " has -wal and .lock beside it: its -wal may have the newest events. Remove the others; or make a file of"
            " its own at the name to keep, `cp NAME NEW && mv NEW NAME`"
        )


def has_pages(path: Path, suffix: str) -> bool:
    """Whether SQLite's file with this suffix is beside a database, and is not empty."""
    return bool(_size(beside(path, suffix)))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _format_of(path: Path) -> bytes:
    """Whether a log is ``_CLOSED``, its write-ahead log copied into it and deleted, or ``_OPEN``. Empty if unknown."""
    file_id = FileId.of(path)
    if file_id is None or is_open_here(file_id):
        return b""  # closing a descriptor would drop the locks of SQLite's connections in this process
    with path.open("rb") as file:
        return file.read(_FORMAT_BYTES.stop)[_FORMAT_BYTES]
