"""Thresholds: the conditions that a load test must meet."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_THRESHOLD = re.compile(r"\s*([a-z0-9_.]+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(ms|s|%|MB)?\s*")
_UNITS = {
    **dict.fromkeys(("p50", "p90", "p99", "p99.9", "max"), ("ms", "s")),
    "errors": ("", "%"),
    "sends_per_s": ("",),
    "rss": ("MB",),
}


class Threshold(NamedTuple):
    """``metric comparison bound``, as in ``p99 < 50 ms``."""

    metric: str
    comparison: str
    bound: float
    unit: str

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.bound:g}{self.unit}"

    def value(self, metrics: Mapping[str, float]) -> float:
        """The value of its metric in the threshold's unit; infinite if there is no measurement."""
        if self.metric == "errors" and self.unit == "%":
            requests = metrics["sends"] + metrics["errors"]
            return 100 * metrics["errors"] / requests if requests else 0.0
        if self.metric == "rss":
            return metrics["rss_mb"]
        value = metrics.get(self.metric, float("inf"))
        return value / 1000 if self.unit == "s" else value

    def kept(self, metrics: Mapping[str, float]) -> bool:
        """Whether these metrics meet the threshold."""
        return _COMPARISONS[self.comparison](self.value(metrics), self.bound)


def parse_threshold(text: str) -> Threshold:
    """Parse a threshold such as ``p99<50ms``.

    Raises:
        ValueError: the text is not a threshold. The message gives the reason.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a threshold: write a metric, <, <=, > or >=, and a bound, as in p99<50ms")
    metric, comparison, bound, unit = match[1], match[2], float(match[3]), match[4] or ""
    if metric not in _UNITS:
        raise ValueError(f"unknown metric {metric!r}; known: {', '.join(_UNITS)}")
    if unit not in _UNITS[metric]:
        units = " or ".join(unit or "no unit" for unit in _UNITS[metric])
        raise ValueError(f"{text.strip()!r}: {metric} needs the unit {units}")
    return Threshold(metric, comparison, bound, unit)
