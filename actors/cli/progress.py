"""A progress bar, shown only on terminals."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_REFRESH_S = 0.1


class ProgressBar:
    """Counts towards a total and redraws the bar itself.

    No thread draws it: a process with threads cannot safely fork the workers of ``actors.audit.partition_workers``.
    """

    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total)
        self._count = 0
        self._drawn = 0.0

    def advance(self) -> None:
        """Count one more."""
        self.at(self._count + 1)

    def at(self, count: int) -> None:
        """Set the count."""
        self._count = count
        now = time.monotonic()
        if now >= self._drawn + _REFRESH_S:
            self._drawn = now
            self._progress.update(self._task, completed=count, refresh=True)


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[ProgressBar]:
    """Show a bar on standard error while the block runs, if standard error is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, auto_refresh=False, disable=not shown) as progress:
        yield ProgressBar(progress, label, total)
