"""A progress bar, on terminals only."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Counts towards a total."""

    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total)

    def advance(self) -> None:
        """One more."""
        self._progress.advance(self._task)

    def at(self, count: int) -> None:
        """So many by now."""
        self._progress.update(self._task, completed=count)


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Bar]:
    """Show a bar on standard error while the block runs, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, label, total)
