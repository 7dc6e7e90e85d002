"""The log has to confirm what a load test counted."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from actors.audit.audit import audit
from eventstore import read_log

_AT_ONCE = 500


class Verified(NamedTuple):
    """What the log says."""

    acknowledged: int
    """Sends that somebody was told are durable."""
    in_log: int
    """Those of them that the log holds."""
    twice: int
    """Those that somebody was told of more than once."""
    faults: list[str]
    """What the audit found."""
    log_bytes: int
    """Partition of the log's files that its events have. By how much the files grew says little: they grow ahead."""
    events: int

    @property
    def holds(self) -> bool:
        """Whether the run is a result."""
        return self.acknowledged == self.in_log and not self.twice and not self.faults


def verify(log: Path, acknowledged: Sequence[Path], progress: Callable[[int], Any] | None = None) -> Verified:
    """Look up every acknowledged send, and audit the log."""
    count = found = twice = 0
    reader = read_log(log)
    try:
        for path in acknowledged:
            ids = _lines(path)
            while some := list(islice(ids, _AT_ONCE)):
                times = Counter(some)
                count += len(times)
                twice += sum(number > 1 for number in times.values())
                found += len(reader.existing_ids(list(times)))
        events = reader.head().sequence
    finally:
        reader.close()
    report = audit(log, progress=progress)
    return Verified(count, found, twice, [str(fault) for fault in report.faults], log.stat().st_size, events)


def _lines(path: Path) -> Iterator[str]:
    with path.open() as lines:
        for line in lines:
            yield line.rstrip("\n")
