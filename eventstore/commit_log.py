"""The commit log: where batches of assignments become durable."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple, Protocol

from eventstore.errors import PositionConflict
from eventstore.records import Assignment


class Head(NamedTuple):
    """The end of a log."""

    sequence: int
    """Number of assignments; 0 for an empty log."""
    chain: bytes
    """The log chain there: 32 bytes that commit to everything before."""

    @classmethod
    def at(cls, assignment: Assignment) -> "Head":
        """The head of a log that ends with this assignment."""
        return cls(assignment.sequence, assignment.log_chain)


class Lease(NamedTuple):
    """The right to append. A later lease has a higher epoch and fences off this one."""

    epoch: int
    holder: str
    ttl_s: float | None
    """Seconds until the lease expires unless it is renewed. None if it lasts until the log is closed."""


def check_batch(batch: Sequence[Assignment], *, expected: int, found: int) -> None:
    """Check where a batch is appended; every engine calls this.

    Args:
        batch: the assignments.
        expected: the position that the writer named.
        found: the position at which the log ends.

    Raises:
        PositionConflict: the log ends elsewhere, or the batch does not begin directly after ``expected``.
        ValueError: the batch is empty, or it has gaps.
    """
    if not batch:
        raise ValueError("a batch has at least one assignment")
    if found != expected:
        raise PositionConflict(expected=expected, found=found)
    if batch[0].sequence != expected + 1:
        raise PositionConflict(expected=batch[0].sequence - 1, found=found)
    if [assignment.sequence for assignment in batch] != list(range(expected + 1, expected + 1 + len(batch))):
        raise ValueError("a batch is a contiguous range of sequences")


class CommitLog(Protocol):
    """An append-only sequence of assignments with one writer at a time.

    A batch is appended as a whole, at an expected position and under a lease. Readers see whole batches only.
    """

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """Make a batch durable, all of it or nothing, directly after sequence ``expected``.

        Raises:
            PositionConflict: the log does not end at ``expected``, or the batch does not begin there.
            StaleEpoch: a newer lease was taken, or none since the log was opened.
            ValueError: the batch is empty or has gaps.
            LogFailed: the storage refused the write, or the log's name leads to another storage now. Nothing of the
                batch may be acknowledged.
        """

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Assignment]:
        """Assignments with ``after < sequence <= until``, in order, from one consistent snapshot."""

    def follow(self, *, after: int = 0) -> AsyncIterator[Sequence[Assignment]]:
        """Durable assignments after a sequence, in order, and then each new batch as it becomes durable.

        The iterator never ends by itself. It neither misses nor repeats an assignment.
        """

    def head(self) -> Head:
        """The end of the log."""

    def take_lease(self, holder: str) -> Lease:
        """Start a new epoch. Every lease before it becomes stale.

        Args:
            holder: names the writer in error messages.

        Raises:
            LogInUse: another writer holds a lease that has not expired. An engine that admits one writer at a time
                raises this when the log is opened.
        """

    def renew(self, lease: Lease) -> Lease:
        """Extend a lease by its time to live.

        Raises:
            StaleEpoch: a newer lease was taken.
        """

    def close(self) -> None:
        """Release the storage and the lease. Everything that was appended stays durable."""


def sequence_at(log: CommitLog, timestamp: int) -> int:
    """Sequence of the last assignment up to a time (ms since the epoch); 0 if there is none.

    Timestamps never decrease, so a binary search needs no index.
    """
    low, high = 0, log.head().sequence
    while low < high:
        row = next(log.read(after=(low + high) // 2))
        if row.timestamp <= timestamp:
            low = row.sequence
        else:
            high = (low + high) // 2
    return low
