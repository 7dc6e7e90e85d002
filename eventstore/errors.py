"""The errors of logs. Each message says what is wrong, where, and how to fix it if that is possible."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventstore.records import Assignment


NO_PROCESS = "(none)"
"""The process of a fault that belongs to no process."""


class EventStoreError(Exception):
    """Base of all errors that this package defines."""


class LogMissing(EventStoreError):
    """There is no log at the location."""


class LogExists(EventStoreError):
    """A new log was requested, but the file already contains assignments."""


class LogUnusable(EventStoreError):
    """The file is not a log, has another format, or cannot be read or written."""


class LogDamaged(LogUnusable):
    """Part of a log cannot be read: a damaged page, text that is not UTF-8, or a statement that took too long.

    Attributes:
        fault: the damage, as an audit reports it.
    """

    def __init__(self, message: str, fault: "LogFault") -> None:
        super().__init__(message)
        self.fault = fault


class StorageDamaged(LogUnusable):
    """The storage lost or changed acknowledged events. The message says what shows this, and how to continue."""


class LogInUse(EventStoreError):
    """Another writer holds the log."""


class LogFailed(EventStoreError):
    """The storage refused a write, or is not the one that the log's name leads to.

    Only batches before it are durable, and only those were acknowledged.
    """


class PositionConflict(EventStoreError):
    """An append named a position that is not the end of the log: the writer is stale."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"append expected the log to end at {expected}, but it ends at {found}: open the log again")
        self.expected = expected
        self.found = found


class StaleEpoch(EventStoreError):
    """An append or a renewal named an epoch that a newer lease has replaced: the writer lost its lease."""

    def __init__(self, *, epoch: int, current: int) -> None:
        super().__init__(
            f"epoch {epoch} is stale: the log's lease is at epoch {current}; stop this writer, or take a new lease"
        )
        self.epoch = epoch
        self.current = current


class LogFault(EventStoreError):
    """The log contradicts itself or its own replay.

    Attributes:
        what: which part of an assignment is wrong, in words for a person.
        sequence: the assignment; 0 if the fault belongs to none.
        process: the assignment's process.
        expected: the correct value.
        found: the value in the log.
    """

    def __init__(self, what: str, *, sequence: int, process: str, expected: object, found: object) -> None:
        super().__init__(f"sequence {sequence}, process {process}: {what}: expected {expected!r}, found {found!r}")
        self.what = what
        self.sequence = sequence
        self.process = process
        self.expected = expected
        self.found = found

    def detached(self) -> "LogFault":
        """A copy without traceback: the frames of a traceback keep cursors open, which lock the file."""
        return LogFault(
            self.what, sequence=self.sequence, process=self.process, expected=self.expected, found=self.found
        )

    @classmethod
    def at(cls, assignment: "Assignment", what: str, expected: object, found: object) -> "LogFault":
        """The fault of one assignment."""
        sequence, process = assignment.sequence, assignment.process
        return cls(what, sequence=sequence, process=process, expected=expected, found=found)

    @classmethod
    def of_file(cls, what: str, expected: object, found: object, *, sequence: int = 0) -> "LogFault":
        """A fault of the file itself, not of an assignment of one process."""
        return cls(what, sequence=sequence, process=NO_PROCESS, expected=expected, found=found)

    @classmethod
    def of_malformed_row(cls, assignment: "Assignment", reason: str) -> "LogFault":
        """The fault of a row whose columns have other types than a node writes."""
        return cls.at(assignment, "malformed row", "columns of the declared types", reason)
