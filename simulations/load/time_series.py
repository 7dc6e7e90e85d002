"""The results of a run: one record per second, and their sum."""

from collections import Counter
from collections.abc import Iterable

import msgspec
from hdrh.histogram import HdrHistogram

from simulations.report.histogram import PERCENTILES, new_histogram


class Second(msgspec.Struct):
    """The replies that one generator received within one second."""

    at: int
    """Number of the second, from 0; negative during the warm-up."""
    accepted: int
    errors: dict[str, int]
    """Count by kind."""
    latencies: str
    """An encoded HDR histogram, in microseconds."""
    late_ms: float
    """The longest delay between a send's due time and its departure: load that the generator could not keep up with."""


class Summary:
    """The sum of all generators' seconds."""

    def __init__(self) -> None:
        self.accepted: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.histograms: dict[int, HdrHistogram] = {}
        self.late_ms = 0.0
        self.warmup_accepted = 0

    def add(self, second: Second) -> None:
        """Add a second. A second of the warm-up counts only in ``warmup_accepted``."""
        if second.at < 0:
            self.warmup_accepted += second.accepted
            return
        self.accepted[second.at] += second.accepted
        self.errors.update(second.errors)
        self.late_ms = max(self.late_ms, second.late_ms)
        histogram = self.histograms.setdefault(second.at, new_histogram())
        histogram.add(HdrHistogram.decode(second.latencies))

    def latencies(self, seconds: Iterable[int] | None = None) -> dict[str, float]:
        """Percentiles and the maximum in ms, of the given seconds or of all; empty if there were no replies."""
        total = new_histogram()
        for at in self.histograms if seconds is None else seconds:
            if at in self.histograms:
                total.add(self.histograms[at])
        if not total.get_total_count():
            return {}
        found = {name: total.get_value_at_percentile(percent) / 1000 for name, percent in PERCENTILES.items()}
        return found | {"max": total.get_max_value() / 1000}
