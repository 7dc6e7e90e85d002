"""A log file: commit log, index, evidence and partition scan of one log, complete and readable on its own."""

from typing import Protocol

from eventstore.commit_log import CommitLog
from eventstore.evidence import Evidence
from eventstore.index import LogIndex
from eventstore.replay.partitioned import PartitionScan


class LogFile(CommitLog, LogIndex, Evidence, PartitionScan, Protocol):
    """All interfaces of one log, for recovery, replay, audit and readers.

    Attributes:
        location: opens the same log again, also in another process, and names it in messages to people.
    """

    location: str

    @property
    def is_excerpt(self) -> bool:
        """Whether the log contains the histories of some processes only."""

    def mark_excerpt(self) -> None:
        """Mark the log as an excerpt. No node opens an excerpt for writing."""
