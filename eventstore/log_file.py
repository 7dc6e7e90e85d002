"""A log file: commit log, index, evidence and partition scan of one log, complete and readable on its own."""

from collections.abc import Callable
from typing import Protocol

from eventstore.commit_log import CommitLog
from eventstore.evidence import Evidence
from eventstore.index import LogIndex
from eventstore.replay.partitioned import PartitionScan


class LogFile(CommitLog, LogIndex, Evidence, PartitionScan, Protocol):
    """All interfaces of one log, for recovery, replay, audit and readers.

    Attributes:
        location: opens the same log again, also in another process, and names it in messages to people.
        was_closed: whether the writer before closed the log. If not, it was killed, or its machine failed.
    """

    location: str
    was_closed: bool

    @property
    def is_excerpt(self) -> bool:
        """Whether the log contains the histories of some processes only."""

    def check_reads(self, check: Callable[[], None] | None) -> None:
        """Call a function at each row that is read, and regularly during a long search. If it raises, the read ends.

        A change of the function also ends the iterators that are not exhausted.

        Args:
            check: the function; None for none. It may sleep.
        """

    def distrust(self) -> None:
        """Let the next writer recheck the log, as after a kill: something is wrong with it, or its storage."""

    def mark_excerpt(self) -> None:
        """Mark the log as an excerpt. No node opens an excerpt for writing."""

    def limit_statements(self, seconds: float) -> None:
        """Interrupt a statement that yields no row for so long, plus the time that a scan of the whole log takes.

        Reads then raise ``LogDamaged``. A hostile file cannot make an audit run endlessly.
        """
