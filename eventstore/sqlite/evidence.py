"""``Evidence`` on the log file's tables."""

import sqlite3
from collections.abc import Iterator

from eventstore.commit_log import Head
from eventstore.errors import LogFailed, LogUnusable
from eventstore.merkle.tiles import FAN, StoredTree, TreeBuilder, TreeNode
from eventstore.sqlite.connect import UNREADABLE
from eventstore.sqlite.id_batches import indexed_up_to
from eventstore.sqlite.message_ids import IS_INDEXED, IdTable
from eventstore.sqlite.row_reader import RowReader

_STORE_CHECKPOINT = """
    insert into checkpoints values (?, ?) on conflict (sequence) do update set note = excluded.note
    where length(excluded.note) > length(note) and substr(excluded.note, 1, length(note)) = note
"""


class SqliteEvidence(RowReader):
    """The Merkle tree, the checkpoints and the index check of a ``SqliteLog``."""

    _ids: IdTable

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """See ``Evidence.leaves``."""
        query = "select cast(log_chain as blob) from assignments where sequence > ? and sequence <= ? order by sequence"
        return [chain for [chain] in self._rows(query, (start, stop))]

    def tree(self) -> StoredTree:
        """See ``Evidence.tree``."""
        return StoredTree(self.leaves, self._nodes)

    def tree_nodes(self) -> Iterator[TreeNode]:
        """See ``Evidence.tree_nodes``."""
        rows = self._rows("select level, number, cast(hash as blob) from tree order by level, number", table="tree")
        yield from map(TreeNode._make, rows)

    def has_head(self, head: Head) -> bool:
        """See ``Evidence.has_head``."""
        return head.sequence > 0 and self.leaves(head.sequence - 1, head.sequence) == [head.chain]

    def checkpoints(self) -> list[str]:
        """See ``Evidence.checkpoints``."""
        notes = []
        query = "select sequence, cast(note as blob) from checkpoints order by sequence"
        for sequence, note in self._rows(query, table="checkpoints"):
            try:
                notes.append(note.decode())  # here, because SQLite does not check that a text is UTF-8
            except (UnicodeDecodeError, AttributeError) as error:
                raise self._damage(error, "checkpoints", sequence) from None
        return notes

    def store_checkpoint(self, sequence: int, note: str) -> None:
        """See ``Evidence.store_checkpoint``."""
        try:
            self._connection.execute(_STORE_CHECKPOINT, (sequence, note))
        except sqlite3.Error as error:
            raise LogFailed(f"{self.path} could not be written ({error})") from error

    def storage_damage(self) -> str:
        """See ``Evidence.storage_damage``."""
        try:
            events = self._first("select coalesce(max(sequence), 0) from assignments")[0]  # a writer may append more
            return self._page_damage() or self._index_damage(events) or self._tree_damage(events)
        except (sqlite3.DatabaseError, LogUnusable) as error:
            return str(error)

    def _page_damage(self) -> str:
        [found] = self._connection.execute("pragma integrity_check(1)").fetchone()
        return "" if found == "ok" else str(found).strip().splitlines()[-1]

    def _index_damage(self, events: int) -> str:
        if (sequence := self.unindexed_row(events)) is not None:
            return f"the index misses event {sequence}"
        if (sequence := self.bad_index_entry()) is not None:
            return f"an entry of the index leads to event {sequence}, wrongly"
        return ""

    def _tree_damage(self, events: int) -> str:
        builder = TreeBuilder()
        query = "select cast(log_chain as blob) from assignments where sequence <= ? order by sequence"
        rows = self._rows(query, (events,))
        computed = {node for [log_chain] in rows for node in builder.append(log_chain)}
        stored = {node for node in self.tree_nodes() if (node.number + 1) * FAN**node.level <= events}
        return "" if computed == stored else "a stored hash of the Merkle tree is wrong or missing"

    def unindexed_row(self, until: int) -> int | None:
        """See ``Evidence.unindexed_row``."""
        query = f"""
            select log_row.sequence from assignments log_row not indexed
            left join assignments first on first.sequence = log_row.spawn
            where log_row.sequence <= ?1 and (first.process is not log_row.process or first.slot is not 0
                or log_row.sequence <= ?2 and not {IS_INDEXED}) order by log_row.sequence limit 1
        """
        row = self._first(query, (until, indexed_up_to(until)))
        return int(row[0]) if row else None

    def bad_index_entry(self) -> int | None:
        """See ``Evidence.bad_index_entry``."""
        if self._timer is not None:
            self._timer.restart()
        try:
            return self._ids.bad_index_entry()
        except UNREADABLE as error:
            raise self._damage(error, "ids") from None

    def _nodes(self, level: int, start: int, stop: int) -> list[bytes]:
        query = "select cast(hash as blob) from tree where level = ? and number >= ? and number < ? order by number"
        return [node for [node] in self._rows(query, (level, start, stop), table="tree")]
