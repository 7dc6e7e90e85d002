"""An engine under another name, on top of SQLite: its locations are ``another://PATH``, which are no paths."""

from collections.abc import Callable
from pathlib import Path

from eventstore import LogFault
from eventstore.engines import Location, Upgraded
from eventstore.sqlite import engine
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.snapshots import SqliteSnapshots

PREFIX = "another://"


class AnotherLog(SqliteLog):
    @property
    def location(self) -> str:
        return f"{PREFIX}{self.path}"


def open_log(location: Location, *, new: bool = False, excerpt: bool = False) -> SqliteLog:
    return AnotherLog.open(path_of(location), new=new, excerpt=excerpt)


def read_log(location: Location, *, excerpt: bool = False, exclusive: bool = False) -> SqliteLog:
    return AnotherLog.open_to_read(path_of(location), excerpt=excerpt, exclusive=exclusive)


def open_delegate(location: Location) -> SqliteLog:
    return AnotherLog.open_as_delegate(path_of(location))


def open_snapshots(location: Location) -> SqliteSnapshots:
    return engine.open_snapshots(path_of(location))


def read_snapshots(location: Location, *, verify: bool = True) -> SqliteSnapshots | None:
    return engine.read_snapshots(path_of(location), verify=verify)


def upgrade_log(location: Location, *, accept_loss: bool = False) -> Upgraded:
    return engine.upgrade_log(path_of(location), accept_loss=accept_loss)


def schema_faults(location: Location) -> list[LogFault]:
    return engine.schema_faults(path_of(location))


def integrity_faults(location: Location, *, faults_max: int, is_stopped: Callable[[], bool]) -> list[LogFault]:
    return engine.integrity_faults(path_of(location), faults_max=faults_max, is_stopped=is_stopped)


def is_leftover(location: Location) -> bool:
    return engine.is_leftover(path_of(location))


def size_bytes(location: Location) -> int:
    return engine.size_bytes(path_of(location))


def path_of(location: Location) -> Path:
    assert isinstance(location, str)
    assert location.startswith(PREFIX)
    return Path(location.removeprefix(PREFIX))
