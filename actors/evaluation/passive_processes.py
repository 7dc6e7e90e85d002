"""Processes that do not live in memory: they are in the log, and some of them in a snapshot."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from actors.evaluation.process_table import RestoredState
from actors.evaluation.state_codec import StateUnreadable, restored
from actors.runtime.logs import get_logger
from eventstore import Assignment, SqliteLog
from eventstore.sequencer import ProcessHead
from eventstore.sqlite.snapshots import Snapshot, Snapshots, SnapshotsUnusable


class PassiveProcesses:
    """Reads idle processes, for the thread of the event loop: a process wakes between two messages.

    Args:
        path: the log's.
        snapshots: None where there are none.
    """

    def __init__(self, path: Path, snapshots: Snapshots | None) -> None:
        self._path = path
        self._open: SqliteLog | None = None
        self._snapshots = snapshots
        self._pending: Callable[[str], dict[int, bytes]] = _nothing

    def expect(self, pending: Callable[[str], dict[int, bytes]]) -> None:
        """Ask also for what is not durable yet: the data of a process's messages by slot."""
        self._pending = pending

    def use(self, path: Path) -> None:
        """Read snapshots from a file that was made meanwhile."""
        if self._snapshots is None:
            self._snapshots = Snapshots.open_to_read(path)

    def exists(self, process: str, *, before: int) -> bool:
        """Whether a process was started before a sequence."""
        first = self._log.sequence_of(process, 0)
        return first is not None and first < before

    def snapshot(self, process: str, *, before: int) -> RestoredState | None:
        """The newest snapshot of a process, if it is one of a sequence before this.

        One that does not match its hash, or is of another history, is refused: the process is replayed instead.
        """
        try:
            found = self._snapshots.find(process) if self._snapshots else None
            if found is None or found.sequence >= before:
                return None
            reason = self._wrong(found)
            if not reason:
                state = restored(found.module, found.state)
                return RestoredState(found.module, found.owner, state, found.slot, len(found.state))
        except (SnapshotsUnusable, StateUnreadable, TypeError, ValueError) as error:
            reason = str(error)
        get_logger().warning("a snapshot was refused: its process is replayed instead", process=process, reason=reason)
        return None

    def rows(self, process: str, *, from_slot: int, before: int) -> Iterator[Assignment]:
        """A process's assignments from a slot on, of sequences before this."""
        for row in self._log.read_process(process, from_slot=from_slot):
            if row.sequence >= before:
                return
            yield row

    def payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        """The data of messages that a process received, those too that are not durable yet."""
        pending = self._pending(process)
        stored = iter(self._log.payloads(process, [slot for slot in slots if slot not in pending]))
        return [pending[slot] if slot in pending else next(stored) for slot in slots]

    def head(self, process: str, until: int) -> ProcessHead | None:
        """Where a process's history ends up to a sequence; None if it was not started by then."""
        return self._log.process_head(process, until=until)

    def processes(self) -> Iterator[str]:
        """The id of every process that was ever started."""
        return self._log.processes()

    def close(self) -> None:
        """Let go of the files. Whoever asks further, for the state of a node that is closed, opens the log again."""
        if self._open is not None:
            self._open.close()
        if self._snapshots is not None:
            self._snapshots.close()
        self._open = self._snapshots = None

    @property
    def _log(self) -> SqliteLog:
        if self._open is None:
            self._open = SqliteLog.open_to_read(self._path)
        return self._open

    def _wrong(self, snapshot: Snapshot) -> str:
        if snapshot != snapshot.hashed():
            return "it does not match its hash"
        if (
            self._log.sequence_of(snapshot.process, snapshot.slot, assignment_id=snapshot.assignment_id)
            != snapshot.sequence
        ):
            return "it is of another history than the log's"
        return ""


def _nothing(_: str) -> dict[int, bytes]:
    return {}
