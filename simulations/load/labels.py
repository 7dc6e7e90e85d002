"""A load test's figures in words: the same on a terminal and on a page."""

from simulations.load.metrics import Figures

LATE_MS = 100
"""How late a send may leave before it is said."""


def title(figures: Figures) -> str:
    """What was asked for."""
    model = f"{figures.in_flight:,} in flight" if figures.model == "closed" else "open model"
    people = f"{figures.sessions:,} sessions of {figures.users:,} people"
    return f"{figures.seconds:g} s of load on {people}, {figures.content_bytes} bytes a message, {model}"


def rows(figures: Figures) -> list[tuple[str, str]]:
    """What it came to, each with a label."""
    latencies = {
        "p50": figures.p50_ms,
        "p90": figures.p90_ms,
        "p99": figures.p99_ms,
        "p99.9": figures.p99_9_ms,
        "max": figures.max_ms,
    }
    late = f"a send left {figures.late_ms:,.0f} ms after it was due: take more --generators, or less load"
    return [
        ("sends", f"{figures.sends:,} durable"),
        ("per second", f"{figures.sends_per_s:,.0f} sends, {figures.events_per_s:,.0f} events"),
        ("latency", "  ".join(f"{name} {_ms(value)}" for name, value in latencies.items())),
        ("errors", ", ".join(f"{kind} {count:,}" for kind, count in figures.errors.items()) or "none"),
        ("node", f"{figures.rss_mb:,.0f} MB at most, {figures.cpu_percent:.0f} % of a core on average"),
        ("log", f"{figures.log_bytes:,} bytes, {figures.bytes_per_send:,.0f} per send"),
        ("confirmed", f"{figures.in_log:,} of {figures.acknowledged:,} acknowledged sends are in the log, each once"),
        ("audit", figures.faults[0] if figures.faults else "clean")
        if figures.url is None
        else ("chains", figures.faults[0] if figures.faults else "sound: every assignment follows and is signed"),
        *((f"{'kept' if kept else 'NOT KEPT'}", threshold) for threshold, kept in figures.thresholds.items()),
        *([("note", late)] if figures.late_ms > LATE_MS else []),
        *([("interrupted", "these are the figures up to then")] if figures.interrupted else []),
        *([] if figures.valid else [("NO RESULT", "the log does not confirm what was counted")]),
    ]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"
