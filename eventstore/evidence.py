"""Evidence: what proofs and the audit need of a log besides its assignments."""

from collections.abc import Iterator
from typing import Protocol

from eventstore.commit_log import Head
from eventstore.merkle.tiles import StoredTree, TreeNode


class Evidence(Protocol):
    """The Merkle tree over a log, its signed checkpoints, and the self-check of its index."""

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Ids (log chains, 32 bytes each) of the assignments with ``start < sequence <= stop``."""

    def tree(self) -> StoredTree:
        """The Merkle tree over the log."""

    def tree_nodes(self) -> Iterator[TreeNode]:
        """Every tree hash that the log stores, level by level, in order."""

    def has_head(self, head: Head) -> bool:
        """Whether the log once ended with this head."""

    def checkpoints(self) -> list[str]:
        """The signed notes that the log stores, in order."""

    def store_checkpoint(self, sequence: int, note: str) -> None:
        """Store a signed note of the tree's root at a sequence.

        The first note of a sequence stays, unless the new one is the same note with further signature lines.

        Raises:
            LogFailed: the storage refused the write.
        """

    def storage_damage(self) -> str:
        """What is wrong with the storage: pages, index entries, hashes of the tree. Empty if nothing is.

        It reads the whole log, and verifies neither chains nor results.
        """

    def unindexed_row(self, until: int) -> int | None:
        """Sequence of the first row, up to ``until``, that the index lacks or files under another key, if any."""

    def bad_index_entry(self) -> int | None:
        """Sequence that a wrong index entry names, or whose entry is missing among the newest; None if all match."""
