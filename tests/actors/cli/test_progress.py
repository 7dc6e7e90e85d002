import io
import sys

import pytest

from actors.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_count_and_the_bar_is_erased_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("actors.cli.progress._REFRESH_S", 0.0)
    with progress_bar("auditing", 2000) as bar:
        bar.at(1000)
    assert f"auditing {'━' * 20}{' ' * 20} 1,000/2,000 0:00" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_file_or_pipe_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with progress_bar("auditing", 2) as bar:
        bar.advance()
    assert pipe.getvalue() == ""
