"""What a load test has to keep, and whether it did."""

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

    def value(self, figures: Mapping[str, float]) -> float:
        """The figure that it is about, in its unit; infinite where nothing was measured."""
        if self.metric == "errors" and self.unit == "%":
            asked = figures["sends"] + figures["errors"]
            return 100 * figures["errors"] / asked if asked else 0.0
        if self.metric == "rss":
            return figures["rss_mb"]
        value = figures.get(self.metric, float("inf"))
        return value / 1000 if self.unit == "s" else value

    def kept(self, figures: Mapping[str, float]) -> bool:
        """Whether it holds."""
        return _COMPARISONS[self.comparison](self.value(figures), self.bound)


def parse_threshold(text: str) -> Threshold:
    """The threshold of a text.

    Raises:
        ValueError: it is none.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no threshold: write a figure, <, <=, > or >=, and a bound, as in p99<50ms")
    metric, comparison, bound, unit = match[1], match[2], float(match[3]), match[4] or ""
    if metric not in _UNITS:
        raise ValueError(f"{metric!r} is no figure of a load test; there are {', '.join(_UNITS)}")
    if unit not in _UNITS[metric]:
        units = " or ".join(unit or "no unit" for unit in _UNITS[metric])
        raise ValueError(f"{text.strip()!r}: {metric} is given in {units}")
    return Threshold(metric, comparison, bound, unit)
