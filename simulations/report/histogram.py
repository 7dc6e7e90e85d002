"""HDR histograms of latencies: they keep any number of values in little memory, with three significant digits."""

from hdrh.histogram import HdrHistogram

LATENCY_US_MAX = 600_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
_DIGITS = 3


def new_histogram() -> HdrHistogram:
    """Create a histogram for latencies in microseconds, up to ten minutes."""
    return HdrHistogram(1, LATENCY_US_MAX, _DIGITS)
