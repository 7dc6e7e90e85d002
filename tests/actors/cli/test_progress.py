import io
import sys

import pytest

from actors.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("auditing", 2000) as bar:
        bar.at(1000)
        bar.advance()
        bar.at(1500)
    assert "auditing" in terminal.getvalue()
    assert "1500/2000" in terminal.getvalue()


def test_a_file_or_pipe_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with progress_bar("auditing", 2) as bar:
        bar.advance()
    assert pipe.getvalue() == ""
