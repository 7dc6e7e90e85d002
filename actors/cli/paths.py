"""Checks of the files that commands write."""

import os
from pathlib import Path

import click

from actors.ans104.wallet import key_path

_BESIDE_LOG = (".key", ".keys", ".lock", ".snapshots", ".snapshots.key", "-wal", "-shm")


def free_log(name: str) -> Path:
    """The first of ``name.db``, ``name-2.db``, … that does not exist and has no key file."""
    path, number = Path(f"{name}.db"), 1
    while path.exists() or key_path(path).exists():
        number += 1
        path = Path(f"{name}-{number}.db")
    return path


def check_writable(path: Path, *, log: Path | None = None) -> None:
    """Check early that a file can be written, before a command does its work.

    Args:
        path: the file that the command will write.
        log: the log of the command. The file must be neither it nor one of the files beside it.

    Raises:
        UsageError: the file cannot be written, or writing it would destroy a log or a key.
    """
    folder = path.parent
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is not a folder: make it first, or choose another place for {path.name}")
    if path.is_dir():
        raise click.UsageError(f"{path} cannot be written, it is a folder: name a file")
    if log is not None and path.resolve() in _files_of(log):
        raise click.UsageError(f"{path} belongs to the log {log} and would be overwritten: choose another file")
    if path.resolve().is_fifo():  # opening it would block; standard output that is a pipe resolves to no file
        raise click.UsageError(f"{path} is a named pipe: name a file, or write to /dev/stdout")
    is_new = not path.exists()
    try:
        with path.open("ab"):
            pass
        if is_new:
            path.unlink()
        elif path.is_file() and _is_database(path):
            raise click.UsageError(f"{path} is a database and would be overwritten: choose another file")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written ({error.strerror}): choose another place") from None


def check_new_log(path: Path) -> None:
    """Check that the path of a new log names a file in an existing, writable folder.

    Raises:
        UsageError: it does not.
    """
    if not path.name or path.is_dir():
        raise click.UsageError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise click.UsageError(f"{path.parent} is not a folder: make it first, or choose another")
    if not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"{path.parent} cannot be written: choose another folder")


def _files_of(log: Path) -> set[Path]:
    return {log.resolve()} | {log.with_name(log.name + suffix).resolve() for suffix in _BESIDE_LOG}


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
