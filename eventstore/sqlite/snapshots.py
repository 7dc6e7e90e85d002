"""``SnapshotStore`` in a SQLite file of its own beside the log: ``<log>.snapshots``."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from eventstore.commit_log import Head
from eventstore.snapshots import Snapshot, SnapshotsUnusable
from eventstore.sqlite.connect import connect

_COLUMNS = "process, slot, sequence, module, owner, assignment_id, state, hash"


class SqliteSnapshots:
    """One file of snapshots; see ``SnapshotStore`` for the contract. The watermark is in the table ``mark``."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> "SqliteSnapshots":
        """Open a file of snapshots for writing. A missing or unreadable file is created anew.

        Raises:
            SnapshotsUnusable: the folder cannot be written.
        """
        try:
            return cls._open(path)
        except sqlite3.DatabaseError:
            pass  # not a snapshot file: its contents follow from the log, so replace it
        try:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return cls._open(path)
        except (sqlite3.Error, OSError) as error:
            raise SnapshotsUnusable(f"{path} cannot be used ({error})") from None

    @classmethod
    def _open(cls, path: Path) -> "SqliteSnapshots":
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")  # snapshots lost in a crash are replayed
            from sqlite_utils import Database

            from eventstore.sqlite.schema import create_snapshots

            create_snapshots(Database(connection))
            connection.execute(f"select {_COLUMNS} from snapshots limit 0")
        except BaseException:
            connection.close()
            raise
        return cls(path, connection)

    @classmethod
    def open_to_read(cls, path: Path) -> "SqliteSnapshots | None":
        """Open a file of snapshots for reading; None if there is none.

        Raises:
            SnapshotsUnusable: it cannot be read.
        """
        if not path.exists():
            return None
        try:
            connection = _connect_to_read(path)
            is_complete = connection.execute("select 1 from sqlite_master where name = 'mark'").fetchone()
            if not is_complete:  # a crash interrupted the creation of the file
                connection.close()
                return None
            connection.execute(f"select {_COLUMNS} from snapshots limit 0")
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{path} cannot be read ({error}): remove it, it follows from the log") from None
        return cls(path, connection)

    def watermark(self) -> Head | None:
        """See ``SnapshotStore.watermark``."""
        row = self._connection.execute("select sequence, chain from mark").fetchone()
        return Head(*row) if row else None

    def modules(self) -> list[str]:
        """See ``SnapshotStore.modules``."""
        return [module for [module] in self._connection.execute("select module from modules order by module")]

    def store(self, watermark: Head, snapshots: Iterable[Snapshot], modules: Iterable[str] = ()) -> None:
        """See ``SnapshotStore.store``."""
        execute = self._connection.execute
        try:
            execute("begin immediate")
            try:
                self._connection.executemany(
                    f"insert or replace into snapshots ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)",
                    map(msgspec.structs.astuple, snapshots),
                )
                execute("delete from mark")
                execute("insert into mark values (?, ?)", watermark)
                self._connection.executemany("insert or ignore into modules values (?)", [(name,) for name in modules])
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
        return Snapshot(*row) if row else None

    def places(self) -> Iterator[tuple[int, str, int]]:
        """See ``SnapshotStore.places``."""
        yield from self._connection.execute("select sequence, process, slot from snapshots order by sequence")

    def clear(self) -> None:
        """See ``SnapshotStore.clear``."""
        self._connection.execute("delete from snapshots")
        self._connection.execute("delete from mark")
        self._connection.execute("delete from modules")

    def close(self) -> None:
        """Copy the write-ahead log into the file, unless a reader is active, and close the file."""
        try:
            self._connection.execute("pragma journal_mode = delete")
        except sqlite3.Error:
            pass  # a reader is active or the disk is full: the write-ahead log stays beside the file
        finally:
            self._connection.close()


def _connect_to_read(path: Path) -> sqlite3.Connection:
    try:
        return connect(path, "mode=ro")
    except sqlite3.OperationalError:
        return connect(path, "mode=rw")  # SQLite must first roll back what a crash interrupted


def snapshots_path(log: Path) -> Path:
    """The snapshot file of a log."""
    return log.with_name(log.name + ".snapshots")
