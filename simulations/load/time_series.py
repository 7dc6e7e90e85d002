"""What came of a load, second by second, and all in all."""

from collections import Counter
from collections.abc import Iterable

import msgspec
from hdrh.histogram import HdrHistogram

from simulations.report.histogram import PERCENTILES, new_histogram


class Second(msgspec.Struct):
    """What one generator saw answered within one second."""

    at: int
    """Which second of the run; the warm-up's are negative."""
    accepted: int
    errors: dict[str, int]
    """By kind."""
    latencies: str
    """An encoded HDR histogram, in microseconds."""
    late_ms: float
    """How long after it was due the latest send left: load that its generator could not make in time."""


class Summary:
    """Seconds of several generators added up."""

    def __init__(self) -> None:
        self.accepted: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.histograms: dict[int, HdrHistogram] = {}
        self.late_ms = 0.0
        self.warmup_accepted = 0

    def add(self, second: Second) -> None:
        """Count a second; of the warm-up only how much was sent."""
        if second.at < 0:
            self.warmup_accepted += second.accepted
            return
        self.accepted[second.at] += second.accepted
        self.errors.update(second.errors)
        self.late_ms = max(self.late_ms, second.late_ms)
        histogram = self.histograms.setdefault(second.at, new_histogram())
        histogram.add(HdrHistogram.decode(second.latencies))

    def latencies(self, seconds: Iterable[int] | None = None) -> dict[str, float]:
        """Percentiles and the maximum in ms, of some seconds or of all; empty where nothing was answered."""
        whole = new_histogram()
        for at in self.histograms if seconds is None else seconds:
            if at in self.histograms:
                whole.add(self.histograms[at])
        if not whole.get_total_count():
            return {}
        found = {name: whole.get_value_at_percentile(percent) / 1000 for name, percent in PERCENTILES.items()}
        return found | {"max": whole.get_max_value() / 1000}
