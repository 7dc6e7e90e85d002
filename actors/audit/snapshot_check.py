"""Snapshots held against the states that a replay gives."""

from collections.abc import Callable

from actors.evaluation.process_table import ProcessTable
from actors.evaluation.state_codec import canonical_state
from eventstore import Assignment, LogFault, LogFile
from eventstore.engines import engine_of
from eventstore.snapshots import Snapshot


class SnapshotCheck:
    """Checks every snapshot of a log when its replay passes the assignment that it was taken after.

    Attributes:
        checked: snapshots that are what the replay gave.
    """

    def __init__(self, log: LogFile, *, among: Callable[[str], bool] | None = None, until: int | None = None) -> None:
        """Look what snapshots there are. Has to come before the log's end is looked up: a node that writes meanwhile
        takes none of what is not in the log.

        Args:
            log: whose.
            among: only those of processes for which this holds.
            until: only those of assignments up to this sequence.
        """
        self.checked = 0
        self._log = log
        self._snapshots = engine_of(log.path).read_snapshots(log.path)
        self._due: dict[int, list[tuple[str, int]]] = {}
        if self._snapshots is not None:
            self._watermark = self._snapshots.watermark()
            for sequence, process, slot in self._snapshots.places():
                if (until is None or sequence <= until) and (among is None or among(process)):
                    self._due.setdefault(sequence, []).append((process, slot))

    @property
    def due(self) -> int:
        """Assignments that are still to pass."""
        return len(self._due)

    def pass_by(self, assignment: Assignment, world: ProcessTable) -> list[LogFault]:
        """Check what was taken after an assignment that was just evaluated."""
        faults = []
        for process, slot in self._due.pop(assignment.sequence, ()):
            found = self._snapshots.find(process) if self._snapshots else None
            if found is None or found.slot != slot:
                continue  # a node that writes the log meanwhile has replaced it
            due = _snapshot(assignment, world)
            self.checked += found == due
            for field in Snapshot.__struct_fields__:
                expected, shown = getattr(due, field), getattr(found, field)
                if expected != shown:
                    faults.append(LogFault.at(assignment, f"the {field} of a snapshot", expected, shown))
                    break
        return faults

    def leave(self, until: int) -> None:
        """Look no further at snapshots of assignments up to a sequence, which others check."""
        self._due = {sequence: places for sequence, places in self._due.items() if sequence > until}

    def finish(self) -> list[LogFault]:
        """What is left at the end: snapshots of assignments that the log does not hold."""
        faults = []
        for sequence, places in self._due.items():
            for process, slot in places:
                what = "a snapshot of an assignment that is not there"
                faults.append(LogFault(what, sequence=sequence, process=process, expected=None, found=f"slot {slot}"))
        if self._snapshots is not None:
            if self._watermark is not None and not self._log.has_head(self._watermark):
                sequence, chain = self._watermark
                what = "the mark of the snapshots"
                faults.append(
                    LogFault(what, sequence=sequence, process="(none)", expected="the log's chain", found=chain.hex())
                )
            self._snapshots.close()
        return faults


def _snapshot(assignment: Assignment, world: ProcessTable) -> Snapshot:
    """The snapshot that a node takes after an assignment."""
    entry = world.entries[assignment.process]
    snapshot = Snapshot(
        assignment.process,
        assignment.slot,
        assignment.sequence,
        entry.module,
        entry.owner,
        assignment.log_chain,
        canonical_state(entry.process.state if entry.process else None),
    )
    return snapshot.hashed()
