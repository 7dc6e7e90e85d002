"""Compares snapshots with the states that a replay gives."""

from collections.abc import Callable

from actors.evaluation.process_table import ProcessTable
from actors.evaluation.state_codec import canonical_state
from eventstore import Assignment, Head, LogFault, LogFile
from eventstore.engines import engine_of
from eventstore.snapshots import Snapshot, SnapshotsOutdated, SnapshotStore, SnapshotsUnusable


class SnapshotCheck:
    """Checks every snapshot of a log when its replay reaches the assignment after which it was taken.

    Attributes:
        checked: snapshots that equal the replayed state.
    """

    def __init__(self, log: LogFile, *, among: Callable[[str], bool] | None = None, until: int | None = None) -> None:
        """Read which snapshots there are.

        Do this before reading the log's head: a node that writes meanwhile takes no snapshot of what the log lacks.

        Args:
            log: the log.
            among: check only the snapshots of processes for which this is true.
            until: check only the snapshots of assignments up to this sequence.
        """
        self.checked = 0
        self._log = log
        self._faults: list[LogFault] = []
        self._due: dict[int, list[tuple[str, int]]] = {}
        self._watermark: Head | None = None
        self._snapshots: SnapshotStore | None = None
        try:
            self._snapshots = engine_of(log.location).read_snapshots(log.location, verify=False)
            if self._snapshots is not None:
                self._watermark = self._snapshots.watermark()
                for place in self._snapshots.places():
                    self._add(*place, among=among, until=until)
        except SnapshotsOutdated:
            pass  # a node discards them
        except SnapshotsUnusable as error:
            self._faults.append(LogFault.of_file("the snapshots", "readable", str(error)))

    @property
    def due(self) -> int:
        """Assignments with snapshots that are not checked yet."""
        return len(self._due)

    def check_after(self, assignment: Assignment, processes: ProcessTable) -> list[LogFault]:
        """Check the snapshots that were taken after an assignment, which was just evaluated."""
        faults = []
        for process, slot in self._due.pop(assignment.sequence, ()):
            try:
                stored = self._snapshots.find(process) if self._snapshots else None
            except SnapshotsUnusable as error:
                faults.append(LogFault.at(assignment, "a snapshot", "readable", str(error)))
                continue
            if stored is None or stored.slot != slot:
                continue  # a node that writes the log meanwhile has replaced it
            if assignment.process not in processes.entries:
                what = "a snapshot of a process that was not started"
                faults.append(LogFault.at(assignment, what, None, process))
                continue
            replayed = _snapshot(assignment, processes)
            self.checked += stored == replayed
            for field in Snapshot.__struct_fields__:
                expected, found = getattr(replayed, field), getattr(stored, field)
                if expected != found:
                    faults.append(LogFault.at(assignment, f"the {field} of a snapshot", expected, found))
                    break
        return faults

    def skip_until(self, sequence: int) -> None:
        """Leave out the snapshots of assignments up to a sequence, which others check."""
        self._due = {due: places for due, places in self._due.items() if due > sequence}

    def finish(self) -> list[LogFault]:
        """Faults that remain at the end: snapshots of assignments that the log lacks, and a wrong watermark."""
        faults = list(self._faults)
        for sequence, places in self._due.items():
            for process, slot in places:
                what = "a snapshot of an assignment that is not there"
                faults.append(LogFault(what, sequence=sequence, process=process, expected=None, found=f"slot {slot}"))
        if self._snapshots is not None:
            if self._watermark is not None and not self._log.has_head(self._watermark):
                faults.append(LogFault.of_file("the watermark of the snapshots", "a head of the log", self._watermark))
            self._snapshots.close()
        return faults

    def _add(
        self, sequence: object, process: object, slot: object, *, among: Callable[[str], bool] | None, until: int | None
    ) -> None:
        if not (isinstance(sequence, int) and isinstance(process, str) and isinstance(slot, int)):
            self._faults.append(LogFault.of_file("a malformed snapshot", "text and numbers", (sequence, process, slot)))
        elif (until is None or sequence <= until) and (among is None or among(process)):
            self._due.setdefault(sequence, []).append((process, slot))


def _snapshot(assignment: Assignment, processes: ProcessTable) -> Snapshot:
    """The snapshot that a node takes after an assignment."""
    entry = processes.entries[assignment.process]
    return Snapshot(
        assignment.process,
        assignment.slot,
        assignment.sequence,
        entry.module,
        entry.owner,
        assignment.log_chain,
        canonical_state(entry.process.state if entry.process else None),
    )
