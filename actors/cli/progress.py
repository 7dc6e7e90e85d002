"""A progress bar, shown only on terminals."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_REFRESH_S = 0.1
_WIDTH = 40
_ERASE_LINE = "\r\x1b[K"


class ProgressBar:
    """Counts towards a total and redraws the bar itself.

    No thread draws it: a process with threads cannot safely fork the workers of ``actors.audit.partition_workers``.
    """

    def __init__(self, terminal: TextIO | None, label: str, total: int) -> None:
        """Args:
        terminal: where to draw; None draws nothing.
        label: text before the bar.
        total: the count at which the bar is full.
        """
        self._terminal = terminal
        self._label = label
        self._total = total
        self._count = 0
        self._begun = time.monotonic()
        self._drawn = 0.0

    def advance(self) -> None:
        """Count one more."""
        self.at(self._count + 1)

    def at(self, count: int) -> None:
        """Set the count."""
        self._count = count
        now = time.monotonic()
        if self._terminal is not None and now >= self._drawn + _REFRESH_S:
            self._drawn = now
            full = _WIDTH * min(count, self._total) // max(self._total, 1)
            bar = "━" * full + " " * (_WIDTH - full)
            minutes, seconds = divmod(int(now - self._begun), 60)
            text = f"{self._label} {bar} {count:,}/{self._total:,} {minutes}:{seconds:02}"
            self._terminal.write(_ERASE_LINE + text)
            self._terminal.flush()


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[ProgressBar]:
    """Show a bar on standard error while the block runs, if standard error is a terminal."""
    terminal = sys.stderr if sys.stderr.isatty() else None
    bar = ProgressBar(terminal, label, total)
    bar.at(0)
    try:
        yield bar
    finally:
        if terminal is not None:
            terminal.write(_ERASE_LINE)
            terminal.flush()
