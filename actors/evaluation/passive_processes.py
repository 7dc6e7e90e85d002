"""Processes that are not in memory: they are restored from a snapshot, if they have one, and from the log."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from actors.evaluation.process_table import RestoredState
from actors.evaluation.state_codec import StateUnreadable, restore_process
from actors.runtime.logs import get_logger
from eventstore import Assignment, LogIndex
from eventstore.sequencer import ProcessHead
from eventstore.snapshots import Snapshot, SnapshotStore, SnapshotsUnusable


class ClosableIndex(LogIndex, Protocol):
    """A log index that can be closed."""

    def close(self) -> None:
        """Release the storage."""


class PassiveProcesses:
    """Reads passive processes, in the thread of the event loop: a process is restored between two messages.

    Args:
        open_index: opens the log for reading. It is called at the first read, and again after ``close``.
        read_snapshots: opens the snapshots for reading; None where there are none yet.
        snapshots: the snapshots if they are open already.

    Attributes:
        refused: processes whose snapshots were refused and are to be deleted.
        undurable_payloads: gives the data of a process's messages that are not in the log yet, by slot.
    """

    def __init__(
        self,
        open_index: Callable[[], ClosableIndex],
        read_snapshots: Callable[[], SnapshotStore | None],
        snapshots: SnapshotStore | None = None,
    ) -> None:
        self._open_index, self._read_snapshots = open_index, read_snapshots
        self._open: ClosableIndex | None = None
        self._snapshots = snapshots
        self.refused: set[str] = set()
        self.undurable_payloads: Callable[[str], dict[int, bytes]] = _none

    def snapshots_exist(self) -> None:
        """Use snapshots that were written since this was created."""
        if self._snapshots is None:
            self._snapshots = self._read_snapshots()

    def exists(self, process: str, *, before: int) -> bool:
        """Whether a process was started before a sequence."""
        first = self._index.sequence_of(process, 0)
        return first is not None and first < before

    def snapshot(self, process: str, *, before: int) -> RestoredState | None:
        """The newest snapshot of a process, if its sequence is lower than ``before``.

        A snapshot that is forged, or from another history, is refused; the process is replayed instead.
        """
        try:
            found = self._snapshots.find(process) if self._snapshots else None
            if found is None or found.sequence >= before:
                return None
            reason = self._fault(found)
            if not reason:
                state = restore_process(found.module, found.state)
                return RestoredState(found.module, found.owner, state, found.slot, len(found.state))
        except (SnapshotsUnusable, StateUnreadable, TypeError, ValueError) as error:
            reason = str(error)
        self.refused.add(process)
        get_logger().warning("a snapshot was refused: its process is replayed instead", process=process, reason=reason)
        return None

    def rows(self, process: str, *, from_slot: int, before: int) -> Iterator[Assignment]:
        """A process's assignments from a slot on, with sequences lower than ``before``."""
        for row in self._index.read_process(process, from_slot=from_slot):
            if row.sequence >= before:
                return
            yield row

    def payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        """The data of messages that a process received, including those that are not durable yet."""
        pending = self.undurable_payloads(process)
        stored = iter(self._index.payloads(process, [slot for slot in slots if slot not in pending]))
        return [pending[slot] if slot in pending else next(stored) for slot in slots]

    def head(self, process: str, until: int) -> ProcessHead | None:
        """The end of a process's history up to a sequence; None if the process had not started by then."""
        return self._index.process_head(process, until=until)

    def processes(self) -> Iterator[str]:
        """The id of every process that was ever started."""
        return self._index.processes()

    def close(self) -> None:
        """Close the files. A later read, such as the state of a closed node, opens the log again."""
        if self._open is not None:
            self._open.close()
        if self._snapshots is not None:
            self._snapshots.close()
        self._open = self._snapshots = None

    @property
    def _index(self) -> ClosableIndex:
        if self._open is None:
            self._open = self._open_index()
        return self._open

    def _fault(self, snapshot: Snapshot) -> str:
        """Why a snapshot is not of this log; empty if it is."""
        found = self._index.sequence_of(snapshot.process, snapshot.slot, assignment_id=snapshot.assignment_id)
        if found != snapshot.sequence:
            return "it is of another history than the log's"
        return ""


def _none(_: str) -> dict[int, bytes]:
    return {}
