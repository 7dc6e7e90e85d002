"""Latencies, as HDR histograms keep them: any number of them in little memory, to three digits."""

from hdrh.histogram import HdrHistogram

LATENCY_US_MAX = 600_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
_DIGITS = 3


def new_histogram() -> HdrHistogram:
    """Of latencies in microseconds, up to ten minutes."""
    return HdrHistogram(1, LATENCY_US_MAX, _DIGITS)
