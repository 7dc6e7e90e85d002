"""The log file: one SQLite file in WAL mode, ``synchronous=FULL``, with plain columns.

It implements ``CommitLog``, ``LogIndex`` and ``Evidence`` in one transaction per batch.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from eventstore.commit_log import Head, Lease, check_batch
from eventstore.errors import LogExists, LogFailed, LogUnusable, StaleEpoch
from eventstore.merkle.tiles import TreeBuilder
from eventstore.records import Assignment
from eventstore.sequencer import GENESIS_CHAIN
from eventstore.sqlite.connect import (
    WAL_PAGES,
    connect,
    connect_to_log,
    existing_log,
    prepare_to_write,
    refuse_other_files,
    unusable_message,
)
from eventstore.sqlite.evidence import SqliteEvidence
from eventstore.sqlite.file_format import EXCERPT_ID, FORMAT, check_format, is_excerpt
from eventstore.sqlite.file_identity import LogIdentity
from eventstore.sqlite.file_names import beside
from eventstore.sqlite.index import SqliteIndex
from eventstore.sqlite.message_ids import IdTable
from eventstore.sqlite.orphans import refuse_hard_links, refuse_orphans, warn_if_cut_off
from eventstore.sqlite.partition_scan import SqlitePartitionScan
from eventstore.sqlite.rescue import rescue
from eventstore.sqlite.row_reader import SPAWN
from eventstore.sqlite.rows import insert_parts, insert_statement, row_of
from eventstore.sqlite.schema_check import refuse_other_schema, refuse_unknown_schema
from eventstore.sqlite.statement_timer import StatementTimer
from eventstore.sqlite.wal_check import refuse_lost_events
from eventstore.sqlite.writer_lock import DelegateLock, WriterLock, lock_path

if TYPE_CHECKING:
    from eventstore.sqlite.apsw_connection import Connection

_SPAWNS_MAX = 50_000
"""Processes whose first message's sequence is cached."""
_SEQUENCE_MAX = 2**62
_BYTES_PER_S_MIN = 10_000_000
"""A statement that reads the whole file may take this much longer per byte of the file."""
_SELECT_HEAD = "select sequence, cast(log_chain as blob) from assignments order by sequence desc limit 1"
_FOLLOW_POLL_S = 0.05
"""How often ``follow`` looks for batches that another process committed."""


class SqliteLog(SqliteIndex, SqliteEvidence, SqlitePartitionScan):
    """One log file, on one connection that one thread uses at a time. See ``LogFile`` for the contract."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: WriterLock | DelegateLock | None,
        *,
        exclusive: bool = False,
        was_closed: bool = True,
    ) -> None:
        self._identity: LogIdentity | None = None
        self._rescued: Path | None = None
        self._is_lost = False
        """Whether an append found that a name no longer leads to the open file."""
        self.path = path
        self.was_closed = was_closed
        self._connection = connection
        self._lock = lock
        self._exclusive = exclusive
        self._has_lease = isinstance(lock, DelegateLock)
        """A delegate appends under the lease of the writer that started it."""
        self._is_distrusted = False
        self._tree: TreeBuilder | None = None
        self._spawns: dict[str, int] = {}
        self._ids = IdTable(connection)

    @classmethod
    def open(
        cls, path: str | Path, *, new: bool = False, excerpt: bool = False, accept_loss: bool = False
    ) -> "SqliteLog":
        """Open a log for writing; create the file if it is missing.

        Args:
            path: the file.
            new: refuse a file that already contains assignments.
            excerpt: accept a file with the histories of some processes of another log.
            accept_loss: continue without acknowledged events that are missing.

        Raises:
            LogInUse: another writer has the log open.
            LogUnusable: the file is not a log, has a newer format, or its folder cannot be written.
            StorageDamaged: acknowledged events are missing. The files stay as they are.
            LogExists: ``new`` is set and the log is not empty.
        """
        path = Path(path).resolve()
        if not path.parent.is_dir():
            raise LogUnusable(f"{path.parent} is not a folder: make it first, or choose another")
        if path.is_dir():
            raise LogUnusable(f"{path} is a folder: name a file in it")
        refuse_orphans(path)
        refuse_hard_links(path)
        warn_if_cut_off(path, lock_path(path))
        refuse_other_files(path)  # before a lock file appears beside it
        lock = WriterLock(path)
        try:
            if accept_loss or not path.exists():
                lock.forget_durable()
            if not accept_loss:
                refuse_lost_events(path, durable=lock.durable)
            return cls._open_locked(path, lock, new=new, excerpt=excerpt)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_locked(cls, path: Path, lock: WriterLock, *, new: bool, excerpt: bool) -> "SqliteLog":
        was_closed = lock.was_closed and not beside(path, "-wal").exists()
        try:
            # Autocommit: the log itself decides where a transaction starts. One thread uses the connection at a time.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise LogUnusable(f"{path} cannot be opened ({error})") from None
        log = cls(path, connection, lock, was_closed=was_closed)
        try:
            format_ = check_format(connection, path, excerpt=excerpt)
            check_schema = refuse_other_schema if format_ == FORMAT else refuse_unknown_schema
            check_schema(connection, path)  # before any statement reads a table, which may be an endless view
            if new and format_ and (events := log.head().sequence):
                raise LogExists(f"{path} already contains a log ({events} events): choose another file, or remove it")
            prepare_to_write(connection)
            if format_ < FORMAT:
                from sqlite_utils import Database  # importing it takes longer than opening a current log

                from eventstore.sqlite.schema import migrate

                migrate(Database(connection))
                refuse_other_schema(connection, path)
            connection.execute("pragma schema_version").fetchone()  # makes LOG-wal and LOG-shm
            log._identity = LogIdentity(path, lock)
            lock.record_file(log._identity.file_id)
        except sqlite3.Error as error:
            connection.close()
            raise LogUnusable(unusable_message(path, error)) from None
        except BaseException:
            connection.close()
            raise
        return log

    @classmethod
    def open_as_delegate(cls, path: Path) -> "SqliteLog":
        """Open a log for appending on behalf of the process that has it open for writing.

        No other connection of this process may open the file (see ``eventstore.sqlite.apsw_connection``).

        Raises:
            OSError: the log has another delegate.
            LogUnusable: the log cannot be opened.
        """
        lock = DelegateLock(path)
        try:
            connection = connect(path, "mode=rw", exclusive=True)
            prepare_to_write(connection)
            cast("Connection", connection).checkpoint_wal_on_request(WAL_PAGES)
            connection.execute("pragma schema_version").fetchone()  # opens LOG-wal and LOG-shm
        except sqlite3.Error as error:
            raise LogUnusable(unusable_message(path, error)) from None
        log = cls(path, connection, lock, exclusive=True)
        log._identity = LogIdentity(path, lock)
        if log._identity.file_id != lock.file_id:
            raise LogUnusable(f"{path} is not the file that the holder of its lock has open")
        return log

    @classmethod
    def open_to_read(cls, path: str | Path, *, excerpt: bool = False, exclusive: bool = False) -> "SqliteLog":
        """Open a log for reading only, while a node may be writing it.

        Args:
            path: the file.
            excerpt: accept a file with the histories of some processes of another log.
            exclusive: no other connection of this process opens the file (see ``eventstore.sqlite.apsw_connection``).

        Raises:
            LogMissing: there is no such file.
            LogUnusable: the file is not a log, has another format, or cannot be read.
        """
        path = existing_log(path)
        connection = connect_to_log(path, excerpt=excerpt, exclusive=exclusive)
        try:
            refuse_other_schema(connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, None, exclusive=exclusive)

    def take_lease(self, holder: str = "") -> Lease:
        """See ``CommitLog.take_lease``. The writer lock already keeps other writers out and names the holder."""
        if not isinstance(self._lock, WriterLock):
            raise LogFailed(f"{self.path} is not open for writing: open it with open_log")
        self._has_lease = True
        return Lease(self._lock.next_epoch(), holder, ttl_s=None)

    def renew(self, lease: Lease) -> Lease:
        """See ``CommitLog.renew``."""
        self._check_epoch(lease.epoch)
        return lease

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """See ``CommitLog.append``."""
        execute = self._connection.execute
        if len(self._spawns) > _SPAWNS_MAX:
            self._spawns.clear()
        try:
            execute("begin immediate")
            try:
                self._check_epoch(epoch)
                check_batch(batch, expected=expected, found=self._sequence())
                for part in insert_parts(batch):
                    self._refuse_duplicates(part)
                    self._insert([row_of(assignment, self._spawn(assignment)) for assignment in part])
                    self._grow_tree(part)
                    self._ids.extend(part[0].sequence - 1, [assignment.message.id for assignment in part])
                execute("commit")
            except BaseException:
                self._tree = None
                self._spawns.clear()
                self._ids.reset()
                if self._connection.in_transaction:
                    execute("rollback")
                raise
        except sqlite3.Error as error:
            raise LogFailed(f"{self.path} could not be written ({error})") from error
        if self._identity is not None and (fault := self._identity.fault()):
            self._is_lost = True
            raise LogFailed(fault + self._complete_open_file())
        assert self._lock is not None
        self._lock.record_durable(batch[-1].sequence)
        return Head.at(batch[-1])

    def maintain(self) -> None:
        """Copy the write-ahead log into the file if it is long; see ``Delegate.maintain``."""
        cast("Connection", self._connection).checkpoint_wal()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Assignment]:
        """See ``CommitLog.read``."""
        return self._select_after(after, _SEQUENCE_MAX if until is None else until)

    def limit_statements(self, seconds: float) -> None:
        """See ``LogFile.limit_statements``."""
        self._connection.execute("pragma cell_size_check = on")  # notices more kinds of damage when it reads a page
        self._timer = StatementTimer(self._connection, limit_s=seconds + self.path.stat().st_size / _BYTES_PER_S_MIN)

    async def follow(self, *, after: int = 0) -> AsyncIterator[Sequence[Assignment]]:
        """See ``CommitLog.follow``. SQLite cannot notify other processes, so this polls."""
        while True:
            batch = list(self.read(after=after))
            if batch:
                after = batch[-1].sequence
                yield batch
            else:
                await asyncio.sleep(_FOLLOW_POLL_S)

    def head(self) -> Head:
        """See ``CommitLog.head``."""
        row = self._first(_SELECT_HEAD)
        return Head(*row) if row else Head(0, GENESIS_CHAIN)

    @property
    def location(self) -> str:
        """See ``LogFile.location``: the absolute path."""
        return str(self.path)

    @property
    def is_excerpt(self) -> bool:
        """See ``LogFile.is_excerpt``."""
        return is_excerpt(self._connection)

    def mark_excerpt(self) -> None:
        """See ``LogFile.mark_excerpt``."""
        self._connection.execute(f"pragma application_id = {EXCERPT_ID}")

    def distrust(self) -> None:
        """See ``LogFile.distrust``."""
        self._is_distrusted = True

    def close(self) -> None:
        """Copy the write-ahead log into the file, so that the one file is the whole log, and let the next writer in.

        Raises:
            LogFailed: the log was moved, replaced or removed while it was open, and no append has reported it.
        """
        fault = ""
        try:
            if isinstance(self._lock, WriterLock) and not self._connection.in_transaction:
                fault = self._identity.fault(beside_now=True) if self._identity else ""
                if fault:
                    fault += self._complete_open_file()
                    if self._identity and self._identity.has_its_files():  # only the lock file is gone
                        self._connection.execute("pragma journal_mode = delete")
                else:
                    self._connection.execute("pragma journal_mode = delete")
                    if self._has_lease and not self._is_distrusted:
                        self._lock.record_closed()
        except sqlite3.Error:
            pass  # The disk is full or a reader is active: the write-ahead log stays beside the file; nothing is lost.
        finally:
            self._connection.close()
            if self._lock is not None:
                self._lock.release()
        if fault and not self._is_lost:
            raise LogFailed(fault)

    def _complete_open_file(self) -> str:
        """Copy the write-ahead log into the file, which may have other names now. Nothing is deleted by name.

        Returns:
            The end of the error message if no name leads to the file any more; it is copied to another one.
        """
        with suppress(sqlite3.Error):
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        status = self._identity.nameless() if self._identity else None
        if status is None:
            return ""
        if not isinstance(self._lock, WriterLock):  # the node that it writes for has the file open, too
            return f": its node copies it to {self.path.name}.rescued-<n>"
        if self._rescued is None:
            self._rescued = rescue(self._connection, self.path, mode=status.st_mode & 0o777)
        if self._rescued is None:
            return ", and cannot be copied: restore a copy"
        return f": it was copied to {self._rescued}. Move that to {self.path}, and start the node again"

    def _sequence(self) -> int:
        row = self._connection.execute(_SELECT_HEAD).fetchone()
        return int(row[0]) if row else 0

    def _check_epoch(self, epoch: int) -> None:
        current = self._lock.epoch if self._lock is not None else 0
        if epoch != current or not self._has_lease:
            raise StaleEpoch(epoch=epoch, current=current)

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if self._exclusive:  # no event loop shares the interpreter lock, so one call per row costs nothing
            self._connection.executemany(insert_statement(1), rows)
        else:
            self._connection.execute(insert_statement(len(rows)), [value for row in rows for value in row])

    def _spawn(self, assignment: Assignment) -> int:
        """Sequence of the first message of an assignment's process."""
        if assignment.slot == 0:
            self._spawns[assignment.process] = assignment.sequence
            return assignment.sequence
        spawn = self._spawns.get(assignment.process)
        if spawn is None:
            [spawn] = self._connection.execute(f"select coalesce({SPAWN}, 0)", (assignment.process,)).fetchone()
            self._spawns[assignment.process] = spawn
        return int(spawn)

    def _grow_tree(self, rows: Sequence[Assignment]) -> None:
        if self._tree is None or self._tree.size != rows[0].sequence - 1:  # another process may have appended
            self._tree = TreeBuilder.at(rows[0].sequence - 1, self.leaves, self._nodes)
        for assignment in rows:
            for node in self._tree.append(assignment.log_chain):
                self._connection.execute("insert into tree values (?, ?, ?)", node)

    def _refuse_duplicates(self, rows: Sequence[Assignment]) -> None:
        messages = [assignment.message for assignment in rows]
        external_ids = [message.id for message in messages if message.parent is None]
        self._ids.refuse_duplicates(rows[0].sequence - 1, [message.id for message in messages], external_ids)
