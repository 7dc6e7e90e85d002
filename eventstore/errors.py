"""What can go wrong with a log. Each error says what, where, and how to mend it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventstore.records import Assignment


class EventStoreError(Exception):
    """Base of every error that this package raises on purpose."""


class LogMissing(EventStoreError):
    """There is no file at the path."""


class LogExists(EventStoreError):
    """A new log was asked for, and the path already holds something."""


class LogUnusable(EventStoreError):
    """The file is no log, is of a newer format, or its folder cannot be read or written."""


class LogInUse(EventStoreError):
    """Another writer holds the log."""


class LogFailed(EventStoreError):
    """The disk refused a write: nothing after the last durable batch was acknowledged."""


class PositionConflict(EventStoreError):
    """An append named a position that is not the end of the log: the writer is stale."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"append expected the log to end at sequence {expected}, but it ends at {found}")
        self.expected = expected
        self.found = found


class StaleEpoch(EventStoreError):
    """An append or a renewal named an epoch that a newer lease has replaced: the writer lost its lease."""

    def __init__(self, *, epoch: int, current: int) -> None:
        super().__init__(f"epoch {epoch} is stale: the log's lease is at epoch {current}")
        self.epoch = epoch
        self.current = current


class LogFault(EventStoreError):
    """The log contradicts itself or its own replay: the first place, what was expected there and what was found."""

    def __init__(self, what: str, *, sequence: int, process: str, expected: object, found: object) -> None:
        super().__init__(f"sequence {sequence}, process {process}: {what}: expected {expected!r}, found {found!r}")
        self.what = what
        self.sequence = sequence
        self.process = process
        self.expected = expected
        self.found = found

    @classmethod
    def at(cls, assignment: "Assignment", what: str, expected: object, found: object) -> "LogFault":
        """A fault of an assignment."""
        sequence, process = assignment.sequence, assignment.process
        return cls(what, sequence=sequence, process=process, expected=expected, found=found)

    @classmethod
    def of_types(cls, assignment: "Assignment", wrong: str) -> "LogFault":
        """The fault of a row whose columns are of other types than a node writes."""
        return cls.at(assignment, "a row that no node wrote", "columns of their types", wrong)
