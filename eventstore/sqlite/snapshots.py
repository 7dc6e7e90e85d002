"""States of processes at some slot, so that neither they nor a whole node have to be replayed from the beginning.

They lie in a file of their own beside the log, ``<log>.snapshots``. They follow from the log and may be deleted at any
time: without them everything is replayed.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from eventstore.errors import EventStoreError
from eventstore.log import Head
from eventstore.sqlite.connect import connect

_COLUMNS = "process, slot, sequence, module, owner, assignment_id, state, hash"
_encode = msgspec.msgpack.Encoder().encode


class SnapshotsUnusable(EventStoreError):
    """The file of snapshots cannot be read or written."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of one process after one of its assignments."""

    process: str
    slot: int
    """Of the last assignment that is in the state."""
    sequence: int
    """Of the same."""
    module: str
    owner: str
    assignment_id: bytes
    """The log chain there: ties the snapshot to one history."""
    state: bytes
    """Canonical JSON."""
    hash: bytes = b""

    def hashed(self) -> "Snapshot":
        """The same with the hash that it has to have: SHA-256 over everything else."""
        place = (self.process, self.slot, self.sequence, self.module, self.owner, self.assignment_id)
        return msgspec.structs.replace(self, hash=sha256(_encode(place) + self.state).digest())


class Snapshots:
    """One file of snapshots: the newest one of each process that has one.

    A mark says up to where the log was followed when they were written; none of them is of a later assignment. So a
    node goes on from the mark, and every process that it meets comes from its snapshot and the slots after it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> "Snapshots":
        """Open a file of snapshots for writing; makes it anew where it is missing or no such file.

        Raises:
            SnapshotsUnusable: the folder cannot be written.
        """
        try:
            return cls._open(path)
        except sqlite3.DatabaseError:
            pass  # no such file: everything in it follows from the log
        try:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return cls._open(path)
        except (sqlite3.Error, OSError) as error:
            raise SnapshotsUnusable(f"{path} cannot be used ({error})") from None

    @classmethod
    def _open(cls, path: Path) -> "Snapshots":
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")  # what a crash takes is replayed
            from sqlite_utils import Database

            from eventstore.sqlite.schema import create_snapshots

            create_snapshots(Database(connection))
            connection.execute(f"select {_COLUMNS} from snapshots limit 0")
        except BaseException:
            connection.close()
            raise
        return cls(path, connection)

    @classmethod
    def open_to_read(cls, path: Path) -> "Snapshots | None":
        """Open a file of snapshots for reading; None if there is none.

        Raises:
            SnapshotsUnusable: it cannot be read.
        """
        if not path.exists():
            return None
        try:
            connection = _connect_to_read(path)
            if not connection.execute(
                "select 1 from sqlite_master where name = 'mark'"
            ).fetchone():  # a crash cut its making short
                connection.close()
                return None
            connection.execute(f"select {_COLUMNS} from snapshots limit 0")
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{path} cannot be read ({error}): remove it, it follows from the log") from None
        return cls(path, connection)

    def mark(self) -> Head | None:
        """Up to where the log had been followed when snapshots were last written."""
        row = self._connection.execute("select sequence, chain from mark").fetchone()
        return Head(*row) if row else None

    def modules(self) -> list[str]:
        """Every module that the log had needed up to the mark."""
        return [module for [module] in self._connection.execute("select module from modules order by module")]

    def keep(self, mark: Head, snapshots: Iterable[Snapshot], modules: Iterable[str] = ()) -> None:
        """Replace what is kept of some processes, and the mark, at once; add the modules that the log needs by then.

        Raises:
            SnapshotsUnusable: the disk refused; what was kept before still is.
        """
        execute = self._connection.execute
        try:
            execute("begin immediate")
            try:
                self._connection.executemany(
                    f"insert or replace into snapshots ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)",
                    map(msgspec.structs.astuple, snapshots),
                )
                execute("delete from mark")
                execute("insert into mark values (?, ?)", mark)
                self._connection.executemany("insert or ignore into modules values (?)", [(name,) for name in modules])
                execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    execute("rollback")
                raise
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} could not be written ({error})") from error

    def find(self, process: str) -> Snapshot | None:
        """The snapshot of a process as it is kept, right or wrong.

        Raises:
            SnapshotsUnusable: the file cannot be read.
        """
        try:
            row = self._connection.execute(f"select {_COLUMNS} from snapshots where process = ?", (process,)).fetchone()
        except sqlite3.Error as error:
            raise SnapshotsUnusable(f"{self.path} cannot be read ({error})") from None
        return Snapshot(*row) if row else None

    def places(self) -> Iterator[tuple[int, str, int]]:
        """Sequence, process and slot of each."""
        yield from self._connection.execute("select sequence, process, slot from snapshots order by sequence")

    def clear(self) -> None:
        """Forget all of them."""
        self._connection.execute("delete from snapshots")
        self._connection.execute("delete from mark")
        self._connection.execute("delete from modules")

    def close(self) -> None:
        """Let go of the file, which is whole then if nobody else reads it."""
        try:
            self._connection.execute("pragma journal_mode = delete")
        except sqlite3.Error:
            pass  # a reader, or no room: the write-ahead log stays beside the file
        finally:
            self._connection.close()


def _connect_to_read(path: Path) -> sqlite3.Connection:
    try:
        return connect(path, "mode=ro")
    except sqlite3.OperationalError:
        return connect(path, "mode=rw")  # a crash left something half done, which has to be undone first


def snapshots_path(log: Path) -> Path:
    """Where a log's snapshots lie."""
    return log.with_name(log.name + ".snapshots")
