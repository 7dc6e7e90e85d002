"""Snapshots: states of processes at some slot, so that neither they nor a node are replayed from the beginning.

Snapshots are derived from the log and may be deleted at any time. Without them everything is replayed.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Protocol

import msgspec

from eventstore.commit_log import Head
from eventstore.errors import EventStoreError

_encode = msgspec.msgpack.Encoder().encode


class SnapshotsUnusable(EventStoreError):
    """The snapshots cannot be read or written."""


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
    hash: bytes = b""

    def hashed(self) -> "Snapshot":
        """The same snapshot with its correct hash: SHA-256 over all other fields."""
        place = (self.process, self.slot, self.sequence, self.module, self.owner, self.assignment_id)
        return msgspec.structs.replace(self, hash=sha256(_encode(place) + self.state).digest())


class SnapshotStore(Protocol):
    """The newest snapshot of each process that has one.

    The watermark is the head of the log when snapshots were last written. No snapshot is of a later assignment. So a
    node resumes at the watermark, and restores each process that it meets from its snapshot and the slots after it.
    """

    def watermark(self) -> Head | None:
        """The head of the log when snapshots were last written; None if none ever were."""

    def modules(self) -> list[str]:
        """Every module that the log needs up to the watermark."""

    def store(self, watermark: Head, snapshots: Iterable[Snapshot], modules: Iterable[str] = ()) -> None:
        """Replace the snapshots of some processes and the watermark at once, and add modules that the log needs.

        Raises:
            SnapshotsUnusable: the storage refused the write; the snapshots stay as they were.
        """

    def find(self, process: str) -> Snapshot | None:
        """The stored snapshot of a process. Its hash is not checked.

        Raises:
            SnapshotsUnusable: the storage cannot be read.
        """

    def places(self) -> Iterator[tuple[int, str, int]]:
        """Sequence, process and slot of each snapshot, in the order of their sequences."""

    def clear(self) -> None:
        """Delete every snapshot."""

    def close(self) -> None:
        """Release the storage."""
