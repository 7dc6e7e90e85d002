"""A progress bar, shown only on terminals."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

_STEPS = 200
"""Redraws of a bar: each costs a write to the terminal."""


class ProgressBar:
    """Counts towards a total.

    No thread draws it: a process with threads cannot safely fork the workers of ``actors.audit.partition_workers``.
    """

    def __init__(self, bar: "click._termui_impl.ProgressBar[Any] | None") -> None:
        self._bar = bar
        self._count = self._shown = 0

    def advance(self) -> None:
        """Add 1 to the count."""
        self.at(self._count + 1)

    def at(self, count: int) -> None:
        """Set the count."""
        self._count = count
        if self._bar is not None:
            self._bar.update(count - self._shown)
            self._shown = count


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[ProgressBar]:
    """Show a bar on standard error while the block runs, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield ProgressBar(None)
        return
    with click.progressbar(
        length=total, label=label, show_pos=True, file=sys.stderr, update_min_steps=max(1, total // _STEPS)
    ) as bar:
        yield ProgressBar(bar)
