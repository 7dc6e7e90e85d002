"""``SnapshotStore`` in a SQLite file of its own beside the log: ``<log>.snapshots``.

Its key is in ``<log>.snapshots.key`` (see ``snapshot_key``).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from eventstore.commit_log import Head
from eventstore.snapshots import Snapshot, SnapshotsOutdated, SnapshotsUnusable
from eventstore.sqlite.connect import connect
from eventstore.sqlite.file_names import SQLITE_SUFFIXES, beside
from eventstore.sqlite.orphans import irregular_file
from eventstore.sqlite.snapshot_key import SnapshotKey, key_path

_FORMAT = 2
"""Stored in ``PRAGMA user_version``. Format 1 had plain hashes, and stored 0."""
_COLUMNS = "process, slot, sequence, module, owner, assignment_id, state, mac"
_TABLES = (
    """create table snapshots (process text primary key, slot integer, sequence integer, module text, owner text,
    assignment_id blob, state blob, mac blob)""",
    "create table modules (module text primary key)",
    "create table mark (sequence integer, chain blob, mac blob)",
)
_FORGED = "it has no valid MAC: no node with this log's key wrote it"


class SqliteSnapshots:
    """One file of snapshots; see ``SnapshotStore`` for the contract. The watermark is in the table ``mark``.

    Args:
        path: the file.
        connection: to the file.
        key: checks what is read, and is needed to write. Without it nothing is checked.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, key: SnapshotKey | None) -> None:
        self.path = path
        self._connection = connection
        self._key = key

    @classmethod
    def open(cls, path: Path) -> "SqliteSnapshots":
        """Open a file of snapshots for writing. A missing, unreadable or older file is created anew.

        Without a usable key, a new key is made, and the snapshots of the old one are deleted.

        Raises:
            SnapshotsUnusable: the folder cannot be written.
        """
        try:
            snapshots = cls._open(path)
        except (sqlite3.Error, SnapshotsUnusable):
            snapshots = cls._create(path)  # its contents follow from the log
        try:
            snapshots._key = SnapshotKey.load(key_path(path))
        except SnapshotsUnusable:
            try:
                snapshots.clear()
                snapshots._key = SnapshotKey.create(key_path(path))
            except BaseException:
                snapshots.close()
                raise
        return snapshots

    @classmethod
    def _create(cls, path: Path) -> "SqliteSnapshots":
        try:
            for suffix in ("", *SQLITE_SUFFIXES):
                beside(path, suffix).unlink(missing_ok=True)
            return cls._open(path)
        except (sqlite3.Error, OSError) as error:
            raise SnapshotsUnusable(f"{path} cannot be used ({error})") from None

    @classmethod
    def _open(cls, path: Path) -> "SqliteSnapshots":
        _refuse_irregular_files(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            if _format_of(connection) == 0:
                connection.execute("begin immediate")
                for table in _TABLES:
                    connection.execute(table)
                connection.execute(f"pragma user_version = {_FORMAT}")
                connection.execute("commit")
            _check_schema(connection, path)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")  # snapshots lost in a crash are replayed
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, None)

    @classmethod
    def open_to_read(cls, path: Path, *, verify: bool = True) -> "SqliteSnapshots | None":
        """Open a file of snapshots for reading; None if there is none.

        Args:
            path: the file.
            verify: check the MACs of what is read. The audit compares with a replay instead, and needs no key.

        Raises:
            SnapshotsOutdated: an older version wrote it.
            SnapshotsUnusable: it, or its key, cannot be read.
        """
        if not path.exists():
            return None
        _refuse_irregular_files(path)
        try:
            connection = _connect_to_read(path)
            try:
                if _format_of(connection) == 0:  # a crash interrupted the creation of the file
                    connection.close()
                    return None
                _check_schema(connection, path)
                key = SnapshotKey.load(key_path(path)) if verify else None
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{path} cannot be read ({error}): remove it, it follows from the log") from None
        return cls(path, connection, key)

    def watermark(self) -> Head | None:
        """See ``SnapshotStore.watermark``."""
        try:
            row = self._connection.execute("select sequence, chain, mac from mark").fetchone()
            if row is None:
                return None
            *place, mac = row
            watermark = Head(*place)
            modules = self.modules()
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} cannot be read ({error})") from None
        has_types = isinstance(watermark.sequence, int) and isinstance(watermark.chain, bytes)
        is_valid = self._key is None or self._key.is_valid_watermark(watermark, modules, mac)
        if not (has_types and is_valid):
            raise SnapshotsUnusable(f"the watermark in {self.path} is not used: {_FORGED}")
        return watermark

    def modules(self) -> list[str]:
        """See ``SnapshotStore.modules``."""
        return [module for [module] in self._connection.execute("select module from modules order by module")]

    def store(
        self,
        watermark: Head,
        snapshots: Iterable[Snapshot],
        modules: Iterable[str] = (),
        *,
        discarded: Iterable[str] = (),
    ) -> None:
        """See ``SnapshotStore.store``."""
        execute, key = self._connection.execute, self._key
        if key is None:
            raise SnapshotsUnusable(f"{self.path} is open for reading only")
        modules = sorted(modules)
        try:
            execute("begin immediate")
            try:
                self._connection.executemany(
                    "delete from snapshots where process = ?", [(process,) for process in discarded]
                )
                self._connection.executemany(
                    f"insert or replace into snapshots ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)",
                    ((*msgspec.structs.astuple(one), key.mac_of_snapshot(one)) for one in snapshots),
                )
                execute("delete from mark")
                execute("insert into mark values (?, ?, ?)", (*watermark, key.mac_of_watermark(watermark, modules)))
                execute("delete from modules")
                self._connection.executemany("insert into modules values (?)", [(name,) for name in modules])
                execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    execute("rollback")
                raise
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} could not be written ({error})") from error

    def find(self, process: str) -> Snapshot | None:
        """See ``SnapshotStore.find``."""
        try:
            row = self._connection.execute(f"select {_COLUMNS} from snapshots where process = ?", (process,)).fetchone()
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} cannot be read ({error})") from None
        if row is None:
            return None
        *fields, mac = row
        snapshot = Snapshot(*fields)
        if self._key is not None and not self._key.is_valid_snapshot(snapshot, mac):
            raise SnapshotsUnusable(_FORGED)
        return snapshot

    def places(self) -> Iterator[tuple[int, str, int]]:
        """See ``SnapshotStore.places``."""
        try:
            yield from self._connection.execute("select sequence, process, slot from snapshots order by sequence")
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} cannot be read ({error})") from None

    def clear(self) -> None:
        """See ``SnapshotStore.clear``."""
        try:
            for table in ("snapshots", "mark", "modules"):
                self._connection.execute(f"delete from {table}")
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} could not be written ({error})") from error

    def close(self) -> None:
        """Copy the write-ahead log into the file, unless a reader is active, and close the file."""
        try:
            self._connection.execute("pragma journal_mode = delete")
        except sqlite3.Error:
            pass  # a reader is active or the disk is full: the write-ahead log stays beside the file
        finally:
            self._connection.close()


def snapshots_path(log: Path) -> Path:
    """The snapshot file of a log."""
    return beside(log, ".snapshots")


def _refuse_irregular_files(path: Path) -> None:
    if (file := irregular_file(path)) is not None:
        raise SnapshotsUnusable(f"{file} is not a regular file: remove it")
    if path.is_symlink() or (path.exists() and path.stat().st_nlink > 1):  # writing it would change another file
        raise SnapshotsUnusable(f"{path} is a link to another file: remove it")


def _connect_to_read(path: Path) -> sqlite3.Connection:
    try:
        return connect(path, "mode=ro")
    except sqlite3.OperationalError:
        return connect(path, "mode=rw")  # SQLite must first roll back what a crash interrupted


def _format_of(connection: sqlite3.Connection) -> int:
    """The format of a file of snapshots; 0 for an empty database."""
    [format_] = connection.execute("pragma user_version").fetchone()
    has_tables = connection.execute("select 1 from sqlite_master limit 1").fetchone() is not None
    return int(format_) or int(has_tables)


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a file has exactly the tables of this format: a view or a trigger could do anything.

    Raises:
        SnapshotsOutdated: it has an older format.
        SnapshotsUnusable: it has a newer format, or other tables.
    """
    connection.execute("pragma trusted_schema = off")
    if (format_ := _format_of(connection)) != _FORMAT:
        kind = SnapshotsOutdated if format_ < _FORMAT else SnapshotsUnusable
        raise kind(f"{path} has format {format_}, and this version reads format {_FORMAT}")
    if _schema_of(connection) != _expected_schema():
        raise SnapshotsUnusable(f"{path} has other tables than a node makes: remove it, it follows from the log")


@cache
def _expected_schema() -> frozenset[tuple[object, ...]]:
    connection = sqlite3.connect(":memory:")
    for table in _TABLES:
        connection.execute(table)
    schema = _schema_of(connection)
    connection.close()
    return schema


def _schema_of(connection: sqlite3.Connection) -> frozenset[tuple[object, ...]]:
    return frozenset(connection.execute("select type, name, tbl_name, sql from sqlite_master"))
