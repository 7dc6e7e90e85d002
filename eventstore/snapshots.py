"""Snapshots: states of processes at some slot, so that neither they nor a node are replayed from the beginning.

Snapshots are derived from the log and may be deleted at any time. Without them everything is replayed.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from eventstore.commit_log import Head
from eventstore.errors import EventStoreError


class SnapshotsUnusable(EventStoreError):
    """The snapshots cannot be read or written."""


class SnapshotsOutdated(SnapshotsUnusable):
    """An older version wrote the snapshots."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of one process after one of its assignments."""

    process: str
    slot: int
    """Slot of the last assignment that the state includes."""
    sequence: int
    """Sequence of the same assignment."""
    module: str
    owner: str
    assignment_id: bytes
    """The log chain there. It ties the snapshot to one history."""
    state: bytes
    """Canonical JSON."""


class SnapshotStore(Protocol):
    """The newest snapshot of each process that has one, authenticated with a secret key of the log.

    The watermark is the head of the log when snapshots were last written. No snapshot is of a later assignment. So a
    node resumes at the watermark, and restores each process that it meets from its snapshot and the slots after it.
    """

    def watermark(self) -> Head | None:
        """The head of the log when snapshots were last written; None if none ever were.

        Raises:
            SnapshotsUnusable: the storage cannot be read, or the watermark or the modules are forged.
        """

    def modules(self) -> list[str]:
        """Every module that the log needs up to the watermark, which authenticates them: read it first."""

    def store(
        self,
        watermark: Head,
        snapshots: Iterable[Snapshot],
        modules: Iterable[str] = (),
        *,
        discarded: Iterable[str] = (),
    ) -> None:
        """Replace the snapshots of some processes, the watermark, and the modules that the log needs up to it.

        Args:
            watermark: the head of the log.
            snapshots: the new snapshots.
            modules: all modules that the log needs.
            discarded: processes whose snapshots were refused; they are deleted.

        Raises:
            SnapshotsUnusable: the storage refused the write; the snapshots stay as they were.
        """

    def find(self, process: str) -> Snapshot | None:
        """The stored snapshot of a process.

        Raises:
            SnapshotsUnusable: the storage cannot be read, or the snapshot is forged.
        """

    def places(self) -> Iterator[tuple[int, str, int]]:
        """Sequence, process and slot of each snapshot, in the order of their sequences.

        Raises:
            SnapshotsUnusable: the storage cannot be read.
        """

    def clear(self) -> None:
        """Delete every snapshot."""

    def close(self) -> None:
        """Release the storage."""
