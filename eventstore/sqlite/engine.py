"""The SQLite engine: a location is the path of a log file."""

from collections.abc import Callable
from pathlib import Path

from eventstore.engines import Upgraded
from eventstore.errors import LogFault
from eventstore.sqlite.file_format import FORMAT
from eventstore.sqlite.file_names import beside
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.snapshots import SqliteSnapshots, snapshots_path
from eventstore.sqlite.wal_check import has_events
from eventstore.sqlite.writer_lock import is_of_interrupted_start

Location = str | Path


def open_log(location: Location, *, new: bool = False, excerpt: bool = False) -> SqliteLog:
    """See ``Engine.open_log``."""
    return SqliteLog.open(location, new=new, excerpt=excerpt)


def read_log(location: Location, *, excerpt: bool = False, exclusive: bool = False) -> SqliteLog:
    """See ``Engine.read_log``."""
    return SqliteLog.open_to_read(location, excerpt=excerpt, exclusive=exclusive)


def open_delegate(location: Location) -> SqliteLog:
    """See ``Engine.open_delegate``."""
    return SqliteLog.open_as_delegate(Path(location))


def open_snapshots(location: Location) -> SqliteSnapshots:
    """See ``Engine.open_snapshots``."""
    return SqliteSnapshots.open(snapshots_path(Path(location)))


def read_snapshots(location: Location, *, verify: bool = True) -> SqliteSnapshots | None:
    """See ``Engine.read_snapshots``."""
    return SqliteSnapshots.open_to_read(snapshots_path(Path(location)), verify=verify)


def upgrade_log(location: Location, *, accept_loss: bool = False) -> Upgraded:
    """See ``Engine.upgrade_log``."""
    from eventstore.sqlite.upgrade import upgrade  # few commands need it

    old_format, head = upgrade(location, accept_loss=accept_loss)
    return Upgraded(old_format, FORMAT, head)


def schema_faults(location: Location) -> list[LogFault]:
    """See ``Engine.schema_faults``."""
    from eventstore.sqlite import file_check  # only an audit needs it

    return file_check.schema_faults(Path(location))


def integrity_faults(location: Location, *, faults_max: int, is_stopped: Callable[[], bool]) -> list[LogFault]:
    """See ``Engine.integrity_faults``."""
    from eventstore.sqlite import file_check

    return file_check.integrity_faults(Path(location), faults_max=faults_max, is_stopped=is_stopped)


def is_leftover(location: Location) -> bool:
    """See ``Engine.is_leftover``."""
    path = Path(location).resolve()
    if has_events(path):
        return False
    return not (path.exists() and path.stat().st_size and is_of_interrupted_start(path))


def size_bytes(location: Location) -> int:
    """See ``Engine.size_bytes``."""
    path = Path(location)
    files = (path, beside(path, "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def path_of(location: Location) -> Path:
    """See ``Engine.path_of``."""
    return Path(location)
