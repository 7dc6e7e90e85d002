"""Compares what a load test counted with the node's log."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from actors.audit.audit import audit
from eventstore import read_log

_IDS_PER_QUERY = 500


class Verified(NamedTuple):
    """What the log confirms."""

    acknowledged: int
    """Sends that the node acknowledged as durable."""
    in_log: int
    """Acknowledged sends found in the log."""
    twice: int
    """Those that the node acknowledged more than once."""
    faults: list[str]
    """The audit's findings."""
    log_bytes: int
    """Size of the log in bytes; for a served node, the proportional part that this run's events take.

    The growth of the files during the run would be misleading, because they grow in advance.
    """
    events: int

    @property
    def holds(self) -> bool:
        """Whether the log confirms the run, so that its metrics are valid."""
        return self.acknowledged == self.in_log and not self.twice and not self.faults


def verify(log: Path, acknowledged: Sequence[Path], progress: Callable[[int], Any] | None = None) -> Verified:
    """Look up every acknowledged send in the log, and audit the log.

    Args:
        log: the log file.
        acknowledged: files with the ids of acknowledged sends, one per line.
        progress: called with the number of events audited so far.
    """
    count = found = twice = 0
    reader = read_log(log)
    try:
        for path in acknowledged:
            ids = _lines(path)
            while batch := list(islice(ids, _IDS_PER_QUERY)):
                occurrences = Counter(batch)
                count += len(occurrences)
                twice += sum(number > 1 for number in occurrences.values())
                found += len(reader.existing_ids(list(occurrences)))
        events = reader.head().sequence
    finally:
        reader.close()
    report = audit(log, progress=progress)
    return Verified(count, found, twice, [str(fault) for fault in report.faults], log.stat().st_size, events)


def _lines(path: Path) -> Iterator[str]:
    with path.open() as lines:
        for line in lines:
            yield line.rstrip("\n")
