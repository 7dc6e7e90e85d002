"""The interface of a log. Nothing above it may assume SQLite, one file or one process."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from eventstore.merkle.tiles import StoredTree, TreeNode
from eventstore.records import Assignment
from eventstore.replay.partitioned import Before, End, Partition
from eventstore.sequencer import ProcessHead


class Head(NamedTuple):
    """The end of a log."""

    sequence: int
    """Number of assignments; 0 for an empty log."""
    chain: bytes
    """The log chain there: 32 bytes that stand for everything before."""

    @classmethod
    def at(cls, assignment: Assignment) -> "Head":
        """The end of a log that ends with an assignment."""
        return cls(assignment.sequence, assignment.log_chain)


class EventLog(Protocol):
    """An append-only sequence of assignments."""

    def append(self, batch: Sequence[Assignment], *, expected: int) -> Head:
        """Make a batch durable, all of it or nothing, directly behind sequence ``expected``.

        Raises:
            PositionConflict: the log does not end there.
            LogFailed: the medium refused; nothing of the batch was written.
        """

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Assignment]:
        """Assignments in order, those with ``after < sequence <= until``, from one consistent snapshot."""

    def read_process(self, process: str, *, from_slot: int = 0, limit: int | None = None) -> Iterator[Assignment]:
        """One process's assignments in order, so many of them at most."""

    def read_partition(
        self, share: Partition, *, until: int, filed: bool = False
    ) -> Iterator[tuple[Before, int | None, Assignment]]:
        """The assignments of one share of the processes in order, up to a sequence, each with the row before it.

        ``filed`` ones also come with the sequence of their process's first message as they are found by it; None where
        they are not found by their message's id.
        """

    def sample(self, rows: int, *, until: int) -> list[str]:
        """The processes of about so many rows, evenly apart, up to a sequence; fewer where some are no text."""

    def first_of_run(self, sequence: int) -> int:
        """Where the rows begin that stand together up to this one and have its parent."""

    def end(self, until: int) -> End:
        """The last rows of their kind up to a sequence."""

    def unindexed_row(self, until: int) -> int | None:
        """The first row up to a sequence that is not found by its message's id or by its process and slot, if any."""

    def bad_index_entry(self) -> int | None:
        """A sequence that an id is said to be found at, and is not; or, of the newest, is not and should be."""

    def sequence_of(self, process: str, slot: int, *, assignment_id: bytes | None = None) -> int | None:
        """Sequence of a process's slot, if it is there and, where one is named, is that assignment."""

    def known_from(self, process: str) -> int | None:
        """Sequence of what caused a process's start, of the start itself where nothing did; None for one that was not
        started.
        """

    def process_head(self, process: str, *, until: int) -> ProcessHead | None:
        """Where a process's history ends up to a sequence; None if it was not started by then."""

    def processes(self) -> Iterator[str]:
        """The id of every process that was ever started."""

    def payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        """The data of one process's messages at these slots. Raises ``LookupError`` where one is not there."""

    def find(self, message_id: str) -> Assignment | None:
        """The assignment of a message."""

    def existing_ids(self, message_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the log holds."""

    def id_prefixes(self) -> Iterator[list[str]]:
        """How the id of each message begins (``format.ID_START`` characters), some thousands of them at a time."""

    def children(self, sequence: int) -> list[Assignment]:
        """What the message at ``sequence`` directly caused, in order."""

    def sequence_at(self, timestamp: int) -> int:
        """Sequence of the last assignment up to a time (ms); 0 if there is none."""

    def has_head(self, head: Head) -> bool:
        """Whether the log had this head once."""

    def head(self) -> Head:
        """The end of the log."""

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Ids of the assignments after a sequence, up to another."""

    def tree(self) -> StoredTree:
        """The Merkle tree over the log."""

    def tree_nodes(self) -> Iterator[TreeNode]:
        """Every hash of the tree that the log keeps, level by level, in order."""

    def checkpoints(self) -> list[str]:
        """The signed notes that the log keeps, in order."""

    def store_checkpoint(self, sequence: int, note: str) -> None:
        """Keep a signed note of the tree's root at a sequence; the first one of a sequence stays.

        Raises:
            LogFailed: the medium refused.
        """

    def close(self) -> None:
        """Let go of the medium. What was appended stays durable."""
