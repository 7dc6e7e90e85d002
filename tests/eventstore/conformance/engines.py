"""The engines that the conformance suite runs against. A new engine adds one line to ``ENGINES``."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from eventstore import CommitLog
from eventstore.memory.commit_log import MemoryCommitLog
from eventstore.sqlite.log import SqliteLog


class Engine(Protocol):
    """A commit log, opened by its writer and by its readers."""

    def open(self) -> CommitLog:
        """Open the log for writing, the first time or after ``crash``."""

    def open_reader(self) -> CommitLog:
        """Open the log for reading, while the writer has it open."""

    def crash(self, log: CommitLog) -> None:
        """End a writer without closing the log."""


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.db"

    def open(self) -> CommitLog:
        return SqliteLog.open(self._path)

    def open_reader(self) -> CommitLog:
        return SqliteLog.open_to_read(self._path)

    def crash(self, log: CommitLog) -> None:
        """Do what the kernel does for a killed process: close the files, without SQLite's cleanup."""
        assert isinstance(log, SqliteLog)
        log._connection.close()
        if log._lock is not None:
            log._lock.release()


class Memory:
    def __init__(self, folder: Path) -> None:
        self._log = MemoryCommitLog()

    def open(self) -> CommitLog:
        return self._log

    def open_reader(self) -> CommitLog:
        return self._log

    def crash(self, log: CommitLog) -> None:
        pass  # no process holds it


ENGINES: dict[str, Callable[[Path], Engine]] = {"sqlite": Sqlite, "memory": Memory}
