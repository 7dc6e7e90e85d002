"""Histograms of latencies: they keep any number of values in little memory, with three significant digits.

They round as HDR histograms do. The package hdrhistogram has no wheels for Linux on aarch64.
"""

from collections import Counter
from collections.abc import Mapping

LATENCY_US_MAX = 600_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
_SIGNIFICANT_BITS = 11
"""Number of leading bits that a value keeps. The error of a value is below 1/1000."""


class Histogram:
    """Counts whole numbers, each rounded up to its leading bits.

    Attributes:
        counts: number of values, by the rounded value.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def record(self, value: int) -> None:
        """Count a value."""
        low_bits = (1 << max(0, value.bit_length() - _SIGNIFICANT_BITS)) - 1
        self.counts[value | low_bits] += 1

    def add(self, counts: Mapping[int, int]) -> None:
        """Add the counts of another histogram."""
        self.counts.update(counts)

    def percentiles(self) -> dict[str, int]:
        """The percentiles and the maximum; empty if there are no values."""
        if not self.counts:
            return {}
        total, values = self.counts.total(), sorted(self.counts)
        result: dict[str, int] = {}
        for name, percent in PERCENTILES.items():
            remaining = max(1, round(total * percent / 100))
            for value in values:
                remaining -= self.counts[value]
                if remaining <= 0:
                    result[name] = value
                    break
        return result | {"max": values[-1]}
