"""The names of the files beside a database."""

from pathlib import Path

SQLITE_SUFFIXES = ("-wal", "-shm", "-journal")
"""What SQLite appends to a database's name: write-ahead log, its shared-memory index, rollback journal."""


def beside(path: Path, suffix: str) -> Path:
    """The file whose name is that of a database with a suffix."""
    return path.with_name(path.name + suffix)
