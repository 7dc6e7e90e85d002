"""Where commands write."""

import os
from pathlib import Path

import click

from actors.ans104.wallet import key_path


def free_log(name: str) -> Path:
    """The first of ``name.db``, ``name-2.db``, … that is not there yet, nor a key of it."""
    path, number = Path(f"{name}.db"), 1
    while path.exists() or key_path(path).exists():
        number += 1
        path = Path(f"{name}-{number}.db")
    return path


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written before anything is done for it."""
    folder = path.parent
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is not a folder: make it first, or choose another place for {path.name}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise click.UsageError(f"{path} cannot be written: choose another place")
