"""A log file: commit log, index and evidence in one place, complete and readable on its own."""

from pathlib import Path
from typing import Protocol

from eventstore.commit_log import CommitLog
from eventstore.evidence import Evidence
from eventstore.index import LogIndex
from eventstore.replay.partitioned import PartitionScan


class LogFile(CommitLog, LogIndex, Evidence, PartitionScan, Protocol):
    """Everything that replay, audit and readers use of one log.

    Attributes:
        path: where it is, for messages to people.
    """

    path: Path

    @property
    def is_excerpt(self) -> bool:
        """Whether it holds the histories of some processes only."""

    def mark_excerpt(self) -> None:
        """Mark it as an excerpt, which no node opens for writing."""
