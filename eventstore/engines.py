"""The storage engines, and opening a log by its location.

A location is ``engine://…``, or the path of a SQLite log file. A new engine is a package with a module that implements
``Engine``, and one line in ``ENGINES``.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from eventstore.commit_log import CommitLog, Head
from eventstore.errors import LogFault, LogUnusable
from eventstore.log_file import LogFile
from eventstore.snapshots import SnapshotStore

ENGINES = {
    "sqlite": "eventstore.sqlite.engine",
}
"""The module of each engine. It is imported when a log of that engine is opened."""

Location = str | Path


class Delegate(CommitLog, Protocol):
    """A commit log that a child process appends to on behalf of the process that holds the lease."""

    def maintain(self) -> None:
        """Do work that need not delay a reply, such as copying a long write-ahead log into its file.

        A delegate calls this after each reply. Any other writer does the same work within ``append``.
        """

    def store_checkpoint(self, sequence: int, note: str) -> None:
        """See ``Evidence.store_checkpoint``."""


class Upgraded(NamedTuple):
    """What an upgrade did."""

    old_format: int
    new_format: int
    """Equal to ``old_format`` if the log had the newest format before."""
    head: Head


class Engine(Protocol):
    """The functions of an engine's module."""

    def open_log(self, location: Location, *, new: bool = False, excerpt: bool = False) -> LogFile:
        """Open a log for writing; create it if it is missing.

        Args:
            location: names the log.
            new: refuse a log that already contains assignments.
            excerpt: accept a log with the histories of some processes only.

        Raises:
            LogInUse: another writer has the log open.
            LogUnusable: this is not a log, it has a newer format, or it cannot be written.
            LogExists: ``new`` is set and the log is not empty.
        """

    def read_log(self, location: Location, *, excerpt: bool = False, exclusive: bool = False) -> LogFile:
        """Open a log for reading only, while a node may be writing it.

        Args:
            location: names the log.
            excerpt: accept a log with the histories of some processes only.
            exclusive: this process opens the log no second time, which permits a faster library.

        Raises:
            LogMissing: there is no such log.
            LogUnusable: this is not a log, it has another format, or it cannot be read.
        """

    def open_delegate(self, location: Location) -> Delegate:
        """Open a log for appending on behalf of the process that has it open for writing.

        Raises:
            OSError: the log has another delegate.
            LogUnusable: the log cannot be opened.
        """

    def open_snapshots(self, location: Location) -> SnapshotStore:
        """Open a log's snapshots for writing; create them if they are missing.

        Raises:
            SnapshotsUnusable: they cannot be written.
        """

    def read_snapshots(self, location: Location, *, verify: bool = True) -> SnapshotStore | None:
        """Open a log's snapshots for reading; None if there are none.

        Args:
            location: names the log.
            verify: reject what is forged. The audit compares with a replay instead, and needs no secret key.

        Raises:
            SnapshotsOutdated: an older version wrote them.
            SnapshotsUnusable: they cannot be read.
        """

    def upgrade_log(self, location: Location, *, accept_loss: bool = False) -> Upgraded:
        """Migrate a log, or an excerpt of one, to the newest format. Its events stay as they are.

        An interrupted upgrade leaves the log as it was.

        Args:
            location: of the log.
            accept_loss: continue without acknowledged events that are missing.

        Raises:
            LogMissing: there is no such log.
            LogInUse: a node is writing it.
            LogUnusable: this is not a log, it has a newer format, or it cannot be written.
            StorageDamaged: acknowledged events are missing, and ``accept_loss`` is not set.
        """

    def schema_faults(self, location: Location) -> list[LogFault]:
        """What the storage of a log defines in another way than its format: tables, indexes, views, triggers.

        It reads no row, so nothing that the storage defines can mislead or delay it.

        Raises:
            LogMissing: there is no such log.
            LogUnusable: this is not a log, it has another format, or it cannot be read at all.
        """

    def integrity_faults(
        self, location: Location, *, faults_max: int, is_stopped: Callable[[], bool]
    ) -> list[LogFault]:
        """Damage of the storage itself: of its pages, and of entries that its indexes lack.

        Args:
            location: names the log.
            faults_max: report so many.
            is_stopped: called now and then; if it is true, the check ends and reports nothing.

        Raises:
            LogMissing: there is no such log.
            LogUnusable: it cannot be read at all.
        """

    def is_leftover(self, location: Location) -> bool:
        """Whether files beside a log that is missing or has no events are left over from one that had events.

        False for a log whose first writer was killed before its first batch was durable.
        """

    def size_bytes(self, location: Location) -> int:
        """The storage that a log occupies."""

    def path_of(self, location: Location) -> Path:
        """The path that the files beside a log are named after: ``PATH.key``, ``PATH.archive``."""


def engine_of(location: Location) -> Engine:
    """The engine that a location belongs to. The path of a file belongs to SQLite.

    Raises:
        LogUnusable: there is no such engine.
    """
    name, separator, _ = str(location).partition("://")
    if not separator:
        name = "sqlite"
    elif name not in ENGINES:
        raise LogUnusable(f"there is no storage engine {name!r} for {location}; there are {', '.join(ENGINES)}")
    return cast("Engine", import_module(ENGINES[name]))


def open_log(location: Location, *, new: bool = False, excerpt: bool = False) -> LogFile:
    """Open a log for writing; see ``Engine.open_log``."""
    return engine_of(location).open_log(location, new=new, excerpt=excerpt)


def read_log(location: Location, *, excerpt: bool = False, exclusive: bool = False) -> LogFile:
    """Open a log for reading; see ``Engine.read_log``."""
    return engine_of(location).read_log(location, excerpt=excerpt, exclusive=exclusive)


def upgrade_log(location: Location, *, accept_loss: bool = False) -> Upgraded:
    """Migrate a log to the newest format; see ``Engine.upgrade_log``."""
    return engine_of(location).upgrade_log(location, accept_loss=accept_loss)


def path_of(location: Location) -> Path:
    """The path that the files beside a log are named after; see ``Engine.path_of``."""
    return engine_of(location).path_of(location)
