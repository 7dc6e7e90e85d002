"""The event log on an SQLite file: WAL, ``synchronous=FULL``, plain columns."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from eventstore.errors import LogExists, LogFailed, LogUnusable, PositionConflict
from eventstore.log import Head
from eventstore.merkle.tiles import StoredTree, TreeBuilder, TreeNode
from eventstore.records import Assignment
from eventstore.replay.partitioned import Before, End, Partition
from eventstore.sequencer import GENESIS_CHAIN, ProcessHead
from eventstore.sqlite.connect import (
    WAL_PAGES,
    connect,
    connect_to_read,
    existing,
    prepare_to_write,
    refuse_other_files,
    unusable,
)
from eventstore.sqlite.file_format import EXCERPT_ID, FORMAT, ID_START, check_format, is_excerpt
from eventstore.sqlite.id_batches import indexed_up_to
from eventstore.sqlite.message_ids import IS_INDEXED, IdTable
from eventstore.sqlite.rows import (
    SELECT_INDEXED_PARTITION,
    SELECT_PARTITION,
    SELECTED,
    assignment_of,
    beside_before,
    insert_of,
    parts_of,
    row_of,
)
from eventstore.sqlite.writer_lock import WriterLock

if TYPE_CHECKING:
    from eventstore.sqlite.apsw_connection import Connection

_SPAWN = f"""(
    select sequence from assignments where slot = 0 and substr(process, 1, {ID_START}) = substr(?1, 1, {ID_START})
    and +process = ?1 -- without the plus SQLite would put ?1 in the index's expression, and not find the index
)"""
"""Sequence of the first message of a process, which has the process's id."""
_SPAWNS_MAX = 50_000
"""Processes whose first message's sequence is remembered."""
_READ_ROWS = 128


class SqliteLog:
    """One log file. One connection for the thread that uses it; see ``EventLog`` for the methods' contract."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None, *, exclusive: bool = False
    ) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._exclusive = exclusive
        self._tree: TreeBuilder | None = None
        self._spawns: dict[str, int] = {}
        self._ids = IdTable(connection)

    @classmethod
    def open(cls, path: str | Path, *, new: bool = False, excerpt: bool = False) -> "SqliteLog":
        """Open a log for writing, making the file if it is not there.

        Args:
            path: the file.
            new: refuse a file that already holds assignments.
            excerpt: whether the history of some processes of another log will do.

        Raises:
            LogInUse: another writer has it.
            LogUnusable: the file is no log, of a newer format, or its folder cannot be written.
            LogExists: ``new``, and the log is not empty.
        """
        path = Path(path).resolve()
        if not path.parent.is_dir():
            raise LogUnusable(f"{path.parent} is not a folder: make it first, or choose another")
        if path.is_dir():
            raise LogUnusable(f"{path} is a folder: name a file in it")
        refuse_other_files(path)  # before a lock is left beside it
        lock = WriterLock(path)
        try:
            return cls._open_locked(path, lock, new=new, excerpt=excerpt)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_locked(cls, path: Path, lock: WriterLock, *, new: bool, excerpt: bool) -> "SqliteLog":
        try:
            # autocommit, so that the log alone says where a transaction starts; used by one thread at a time
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise LogUnusable(f"{path} cannot be opened ({error})") from None
        log = cls(path, connection, lock)
        try:
            format_ = check_format(connection, path, excerpt=excerpt)
            if new and format_ and (events := log.head().sequence):
                raise LogExists(f"{path} already holds a world ({events} events): choose another file, or remove it")
            prepare_to_write(connection)
            if format_ < FORMAT:
                from sqlite_utils import Database  # who only reads starts sooner without

                from eventstore.sqlite.schema import migrate

                migrate(Database(connection))
        except sqlite3.Error as error:
            connection.close()
            raise LogUnusable(unusable(path, error)) from None
        except BaseException:
            connection.close()
            raise
        return log

    @classmethod
    def open_as_delegate(cls, path: Path) -> "SqliteLog":
        """Open a log for appending to it in place of the process that has it open for writing, and lets this one do it,
        in which nobody else opens the file (see ``eventstore.sqlite.apsw_connection``).

        Raises:
            LogUnusable: it cannot be opened.
        """
        try:
            connection = connect(path, "mode=rw", exclusive=True)
            prepare_to_write(connection)
            cast("Connection", connection).checkpoint_wal_on_request(WAL_PAGES)
        except sqlite3.Error as error:
            raise LogUnusable(unusable(path, error)) from None
        return cls(path, connection, None, exclusive=True)

    @classmethod
    def open_to_read(cls, path: str | Path, *, excerpt: bool = False, exclusive: bool = False) -> "SqliteLog":
        """Open a log for reading only, while a node may be writing it.

        Args:
            path: the file.
            excerpt: whether the history of some processes of another log will do.
            exclusive: nobody else in this process opens the file; see ``eventstore.sqlite.apsw_connection``.

        Raises:
            LogMissing: there is no such file.
            LogUnusable: it is no log, of a newer format, or cannot be read.
        """
        path = existing(path)
        try:
            connection = connect_to_read(path, exclusive=exclusive)
        except sqlite3.Error as error:
            raise LogUnusable(unusable(path, error)) from None
        try:
            format_ = check_format(connection, path, excerpt=excerpt)
            if format_ == 0:
                raise LogUnusable(f"{path} is empty: it holds no log")
            if format_ < FORMAT:
                raise LogUnusable(
                    f"{path} is a log of format {format_}; this version reads format {FORMAT}:"
                    f" run `mostao upgrade {path}`"
                )
        except sqlite3.Error as error:
            connection.close()
            raise LogUnusable(unusable(path, error)) from None
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, None, exclusive=exclusive)

    def append(self, batch: Sequence[Assignment], *, expected: int) -> Head:
        """See ``EventLog.append``."""
        execute = self._connection.execute
        if len(self._spawns) > _SPAWNS_MAX:
            self._spawns.clear()
        try:
            execute("begin immediate")
            try:
                found = self.head().sequence
                if found != expected:
                    raise PositionConflict(expected=expected, found=found)
                for part in parts_of(batch):
                    self._refuse_known(part)
                    self._insert([row_of(assignment, self._spawn(assignment)) for assignment in part])
                    self._grow_tree(part)
                    self._ids.add(part[0].sequence - 1, [assignment.message.id for assignment in part])
                execute("commit")
            except BaseException:
                self._tree = None
                self._spawns.clear()
                self._ids.forget()
                if self._connection.in_transaction:
                    execute("rollback")
                raise
        except sqlite3.Error as error:
            raise LogFailed(f"{self.path} could not be written ({error})") from error
        return Head.at(batch[-1])

    def checkpoint_wal(self) -> None:
        """Fold the write-ahead log into the file if it is long. For a log that was opened to help; any other does it
        within ``append``, whose batch is durable by then and waits nevertheless.
        """
        cast("Connection", self._connection).checkpoint_wal()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Assignment]:
        """See ``EventLog.read``."""
        return self._select(
            "where sequence > ? and sequence <= ? order by sequence", (after, 2**62 if until is None else until)
        )

    def read_process(self, process: str, *, from_slot: int = 0, limit: int | None = None) -> Iterator[Assignment]:
        """See ``EventLog.read_process``."""
        return self._select(
            f"where spawn = {_SPAWN} and slot >= ?2 order by slot limit ?3",
            (process, from_slot, -1 if limit is None else limit),
        )

    def read_partition(
        self, share: Partition, *, until: int, filed: bool = False
    ) -> Iterator[tuple[Before, int | None, Assignment]]:
        """See ``EventLog.read_partition``."""
        if filed:
            return map(beside_before, self._rows(SELECT_INDEXED_PARTITION, (until, *share, indexed_up_to(until))))
        return map(beside_before, self._rows(SELECT_PARTITION, (until, *share)))

    def sample(self, rows: int, *, until: int) -> list[str]:
        """See ``EventLog.sample``."""
        query = """
            with recursive place(sequence) as (
                select ?1 where ?1 <= ?2 union all select sequence + ?1 from place where sequence + ?1 <= ?2
            ) select cast(process as blob) from place join assignments using (sequence)
        """
        found = self._connection.execute(query, (max(1, until // rows), until))
        return [process.decode(errors="ignore") for [process] in found]

    def first_of_run(self, sequence: int) -> int:
        """See ``EventLog.first_of_run``."""
        query = """
            select sequence from assignments not indexed where sequence < ?1
            and parent is not (select parent from assignments where sequence = ?1) order by sequence desc limit 1
        """
        row = self._connection.execute(query, (sequence,)).fetchone()
        return int(row[0]) + 1 if row else 1

    def end(self, until: int) -> End:
        """See ``EventLog.end``."""
        query = "select {} from assignments not indexed where sequence <= ? and {} order by sequence desc limit 1"
        outside = self._connection.execute(query.format("sequence", "parent is null"), (until,)).fetchone()
        inside = self._connection.execute(query.format("parent", "parent is not null"), (until,)).fetchone()
        return End(outside[0] if outside else 0, inside[0] if inside else 0)

    def unindexed_row(self, until: int) -> int | None:
        """See ``EventLog.unindexed_row``."""
        query = f"""
            select it.sequence from assignments it not indexed left join assignments first on first.sequence = it.spawn
            where it.sequence <= ?1 and (first.process is not it.process or first.slot is not 0
                or it.sequence <= ?2 and not {IS_INDEXED}) order by it.sequence limit 1
        """
        row = self._connection.execute(query, (until, indexed_up_to(until))).fetchone()
        return int(row[0]) if row else None

    def bad_index_entry(self) -> int | None:
        """See ``EventLog.bad_index_entry``."""
        return self._ids.bad_index_entry()

    def sequence_of(self, process: str, slot: int, *, assignment_id: bytes | None = None) -> int | None:
        """See ``EventLog.sequence_of``."""
        query = f"select sequence, log_chain from assignments where spawn = {_SPAWN} and slot = ?2"
        row = self._connection.execute(query, (process, slot)).fetchone()
        return int(row[0]) if row and assignment_id in (None, row[1]) else None

    def known_from(self, process: str) -> int | None:
        """See ``EventLog.known_from``."""
        query = f"select coalesce(parent, sequence) from assignments where sequence = {_SPAWN}"
        row = self._connection.execute(query, (process,)).fetchone()
        return int(row[0]) if row else None

    def process_head(self, process: str, *, until: int) -> ProcessHead | None:
        """See ``EventLog.process_head``."""
        query = (
            f"select slot, process_chain, log_chain from assignments where spawn = {_SPAWN} and sequence <= ?2"
            " order by slot desc limit 1"
        )
        row = self._connection.execute(query, (process, until)).fetchone()
        return ProcessHead(*row) if row else None

    def processes(self) -> Iterator[str]:
        """See ``EventLog.processes``."""
        query = "select process from assignments where slot = 0 order by sequence"
        return (process for [process] in self._connection.execute(query))

    def payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        """See ``EventLog.payloads``."""
        marks = ",".join("?" * len(slots))
        query = f"select slot, cast(data as blob) from assignments where spawn = {_SPAWN} and slot in ({marks})"
        found = dict(self._connection.execute(query, (process, *slots)))
        return [found[slot] for slot in slots]

    def find(self, message_id: str) -> Assignment | None:
        """See ``EventLog.find``."""
        sequence = self._ids.sequence_of(message_id)
        return None if sequence is None else next(self._select("where sequence = ?", (sequence,)))

    def existing_ids(self, message_ids: Sequence[str]) -> set[str]:
        """See ``EventLog.existing_ids``."""
        return self._ids.existing_ids(message_ids)

    def id_prefixes(self) -> Iterator[list[str]]:
        """See ``EventLog.id_prefixes``."""
        return self._ids.prefixes()

    def children(self, sequence: int) -> list[Assignment]:
        """See ``EventLog.children``."""
        return list(self._select("where parent = ? order by sequence", (sequence,)))

    def sequence_at(self, timestamp: int) -> int:
        """See ``EventLog.sequence_at``."""
        low, high = 0, self.head().sequence  # time never goes back, so no index is needed
        while low < high:
            middle = (low + high + 1) // 2
            query = "select timestamp from assignments where sequence <= ? order by sequence desc limit 1"
            [found] = self._connection.execute(query, (middle,)).fetchone()
            low, high = (middle, high) if found <= timestamp else (low, middle - 1)
        return low

    def has_head(self, head: Head) -> bool:
        """See ``EventLog.has_head``."""
        return head.sequence > 0 and self.leaves(head.sequence - 1, head.sequence) == [head.chain]

    def head(self) -> Head:
        """See ``EventLog.head``."""
        row = self._connection.execute(
            "select sequence, cast(log_chain as blob) from assignments order by sequence desc limit 1"
        ).fetchone()
        return Head(*row) if row else Head(0, GENESIS_CHAIN)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """See ``EventLog.leaves``."""
        query = "select cast(log_chain as blob) from assignments where sequence > ? and sequence <= ? order by sequence"
        return [chain for [chain] in self._connection.execute(query, (start, stop))]

    def tree(self) -> StoredTree:
        """See ``EventLog.tree``."""
        return StoredTree(self.leaves, self._nodes)

    def tree_nodes(self) -> Iterator[TreeNode]:
        """See ``EventLog.tree_nodes``."""
        rows = self._connection.execute("select level, number, cast(hash as blob) from tree order by level, number")
        yield from map(TreeNode._make, rows)

    def checkpoints(self) -> list[str]:
        """See ``EventLog.checkpoints``."""
        return [
            note for [note] in self._connection.execute("select cast(note as text) from checkpoints order by sequence")
        ]

    def store_checkpoint(self, sequence: int, note: str) -> None:
        """See ``EventLog.store_checkpoint``."""
        try:
            self._connection.execute("insert or ignore into checkpoints values (?, ?)", (sequence, note))
        except sqlite3.Error as error:
            raise LogFailed(f"{self.path} could not be written ({error})") from error

    @property
    def is_excerpt(self) -> bool:
        """Whether this is the history of some processes of another log."""
        return is_excerpt(self._connection)

    def mark_excerpt(self) -> None:
        """Make this an excerpt: no node goes on with it."""
        self._connection.execute(f"pragma application_id = {EXCERPT_ID}")

    def close(self) -> None:
        """Fold the write-ahead log into the file, so that the one file is the whole log, and let the next writer in."""
        try:
            if self._lock is not None and not self._connection.in_transaction:
                self._connection.execute("pragma journal_mode = delete")
        except sqlite3.Error:
            pass  # a full disk or a reader in the way: the write-ahead log stays beside the file, and nothing is lost
        finally:
            self._connection.close()
            if self._lock is not None:
                self._lock.release()

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if self._exclusive:  # there is no event loop that would have to wait for the interpreter lock row by row
            self._connection.executemany(insert_of(1), rows)
        else:
            self._connection.execute(insert_of(len(rows)), [value for row in rows for value in row])

    def _spawn(self, assignment: Assignment) -> int:
        if assignment.slot == 0:
            self._spawns[assignment.process] = assignment.sequence
            return assignment.sequence
        spawn = self._spawns.get(assignment.process)
        if spawn is None:
            [spawn] = self._connection.execute(f"select coalesce({_SPAWN}, 0)", (assignment.process,)).fetchone()
            self._spawns[assignment.process] = spawn
        return int(spawn)

    def _grow_tree(self, rows: Sequence[Assignment]) -> None:
        if self._tree is None or self._tree.size != rows[0].sequence - 1:  # another process may have written since
            self._tree = TreeBuilder.at(rows[0].sequence - 1, self.leaves, self._nodes)
        for assignment in rows:
            for node in self._tree.append(assignment.log_chain):
                self._connection.execute("insert into tree values (?, ?, ?)", node)

    def _refuse_known(self, rows: Sequence[Assignment]) -> None:
        messages = [assignment.message for assignment in rows]
        outside = [message.id for message in messages if message.parent is None]
        self._ids.refuse_known(rows[0].sequence - 1, [message.id for message in messages], outside)

    def _nodes(self, level: int, start: int, stop: int) -> list[bytes]:
        query = "select cast(hash as blob) from tree where level = ? and number >= ? and number < ? order by number"
        return [hashed for [hashed] in self._connection.execute(query, (level, start, stop))]

    def _select(self, where: str, arguments: tuple[int | str, ...]) -> Iterator[Assignment]:
        return map(assignment_of, self._rows(f"select {SELECTED} from assignments {where}", arguments))

    def _rows(self, query: str, arguments: tuple[int | str, ...]) -> Iterator[Any]:
        try:
            cursor = self._connection.execute(query, arguments)
            while rows := cursor.fetchmany(_READ_ROWS):
                yield from rows
        except sqlite3.DatabaseError as error:
            raise LogUnusable(unusable(self.path, error)) from None
