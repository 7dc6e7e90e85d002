"""The results of a run: one record per second, and their sum."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from simulations.report.histogram import Histogram


class Second(msgspec.Struct):
    """The replies that one generator received within one second."""

    at: int
    """Number of the second, from 0; negative during the warm-up."""
    accepted: int
    errors: dict[str, int]
    """Count by kind."""
    latencies: dict[int, int]
    """The counts of a ``Histogram``, in microseconds."""
    late_ms: float
    """The longest delay between a send's due time and its departure: load that the generator could not keep up with."""
    limit: str = ""
    """The error of a send that a limit of the node refused; empty if there was none."""


class Summary:
    """The sum of all generators' seconds."""

    def __init__(self) -> None:
        self.accepted: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.histograms: dict[int, Histogram] = {}
        self.late_ms = 0.0
        self.limit = ""
        self.warmup_accepted = 0

    def add(self, second: Second) -> None:
        """Add a second. A second of the warm-up counts only in ``warmup_accepted``."""
        if second.at < 0:
            self.warmup_accepted += second.accepted
            return
        self.accepted[second.at] += second.accepted
        self.errors.update(second.errors)
        self.limit = self.limit or second.limit
        self.late_ms = max(self.late_ms, second.late_ms)
        self.histograms.setdefault(second.at, Histogram()).add(second.latencies)

    def latencies(self, seconds: Iterable[int] | None = None) -> dict[str, float]:
        """Percentiles and the maximum in ms, of the given seconds or of all; empty if there were no replies."""
        total = Histogram()
        for at in self.histograms if seconds is None else seconds:
            if at in self.histograms:
                total.add(self.histograms[at].counts)
        return {name: value_us / 1000 for name, value_us in total.percentiles().items()}
