"""Labels and texts for the results of a load test, on a terminal and in the report."""

from simulations.load.metrics import Metrics
from simulations.load.transport import RATE_LIMITED, without_limit

LATE_MS = 100
"""A note appears when a send leaves more than this late."""


def title(metrics: Metrics) -> str:
    """One line about the load."""
    model = f"{metrics.in_flight:,} in flight" if metrics.model == "closed" else "open model"
    people = f"{metrics.sessions:,} sessions of {metrics.users:,} people"
    return f"{metrics.seconds:g} s of load on {people}, {metrics.content_bytes} bytes a message, {model}"


def rows(metrics: Metrics) -> list[tuple[str, str]]:
    """The results, each with a label."""
    latencies = {
        "p50": metrics.p50_ms,
        "p90": metrics.p90_ms,
        "p99": metrics.p99_ms,
        "p99.9": metrics.p99_9_ms,
        "max": metrics.max_ms,
    }
    late = f"a send left {metrics.late_ms:,.0f} ms after it was due: use more --generators or less load"
    return [
        *([("LIMITED", _limited(metrics))] if metrics.limit else []),
        ("sends", f"{metrics.sends:,} durable"),
        ("per second", f"{metrics.sends_per_s:,.0f} sends, {metrics.events_per_s:,.0f} events"),
        ("latency", "  ".join(f"{name} {_ms(value)}" for name, value in latencies.items())),
        ("errors", ", ".join(f"{kind} {count:,}" for kind, count in metrics.errors.items()) or "none"),
        ("node", f"{metrics.rss_mb:,.0f} MB at most, {metrics.cpu_percent:.0f} % of a core on average"),
        ("log", f"{metrics.log_bytes:,} bytes, {metrics.bytes_per_send:,.0f} per send"),
        ("confirmed", f"{metrics.in_log:,} of {metrics.acknowledged:,} acknowledged sends are in the log, each once"),
        ("audit", metrics.faults[0] if metrics.faults else "clean")
        if metrics.url is None
        else (
            "chains",
            metrics.faults[0] if metrics.faults else "valid: every assignment continues the hash chain and is signed",
        ),
        *((f"{'kept' if kept else 'NOT KEPT'}", threshold) for threshold, kept in metrics.thresholds.items()),
        *([("note", late)] if metrics.late_ms > LATE_MS else []),
        *([("interrupted", "these are the results up to the interruption")] if metrics.interrupted else []),
        *([] if metrics.valid else [("NO RESULT", "the log does not confirm the counts")]),
    ]


def _limited(metrics: Metrics) -> str:
    count = metrics.errors.get(RATE_LIMITED, 0)
    limit = metrics.limit.rpartition("; try again")[0] or metrics.limit
    remedy = without_limit(metrics.limit)
    return f"the node refused {count:,} sends, so these figures measure its limit ({limit}){remedy and f': {remedy}'}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"
