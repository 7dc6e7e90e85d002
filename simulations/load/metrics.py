"""The figures of a run that its log has confirmed."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

import msgspec

from simulations.load.run import Run
from simulations.load.thresholds import Threshold
from simulations.load.verify import Verified

EVENTS_PER_SEND = 3
"""The handle's message from outside, the session's, the other handle's notification."""


class PerSecond(msgspec.Struct):
    """One second of a run."""

    at: int
    sends: int
    p50_ms: float | None
    p99_ms: float | None
    rss_mb: float | None


class Figures(msgspec.Struct):
    """What a load test came to. Latencies are from when a send was due (closed model: made) to its acknowledgement."""

    model: str
    url: str | None
    """Where the node is served; None where the test started one."""
    seconds: float
    sessions: int
    users: int
    content_bytes: int
    in_flight: int | None
    generators: int
    sends: int
    """Acknowledged after the warm-up."""
    sends_per_s: float
    """Acknowledged within the measured time, by its length."""
    events_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None
    errors: dict[str, int]
    acknowledged: int
    """Sends of the whole run, the warm-up's too, that somebody was told are durable."""
    in_log: int
    """Those of them that the log holds."""
    twice: int
    faults: list[str]
    """What the audit of the log found."""
    log_bytes: int
    bytes_per_send: float
    rss_mb: float
    """The node's memory at its highest."""
    cpu_percent: float
    """Of one core, the node's on average."""
    late_ms: float
    """The latest that a send left after it was due: where this is not small, the generators were too few."""
    interrupted: bool
    thresholds: dict[str, bool]
    """Each, and whether it was kept."""
    per_second: list[PerSecond]

    @property
    def valid(self) -> bool:
        """Whether the log confirms it."""
        return self.acknowledged == self.in_log and not self.twice and not self.faults


def figures_of(
    run: Run, verified: Verified, thresholds: Sequence[Threshold] = (), *, url: str | None = None
) -> Figures:
    """Put a run and what the log says of it together."""
    plan, summary = run.plan, run.summary
    measured = min(plan.seconds, max(summary.accepted, default=-1) + 1) if run.interrupted else plan.seconds
    within = sum(count for at, count in summary.accepted.items() if at < measured)
    sends = sum(summary.accepted.values())
    rate = within / measured if measured else 0.0
    held = judged(run, thresholds)
    latencies = summary.latencies()
    return Figures(
        url=url,
        model="open" if plan.is_open else "closed",
        seconds=measured,
        sessions=plan.sessions,
        users=plan.users,
        content_bytes=plan.content_bytes,
        in_flight=None if plan.is_open else plan.in_flight,
        generators=plan.generators,
        sends=sends,
        sends_per_s=round(rate, 1),
        events_per_s=round(rate * EVENTS_PER_SEND, 1),
        p50_ms=latencies.get("p50"),
        p90_ms=latencies.get("p90"),
        p99_ms=latencies.get("p99"),
        p99_9_ms=latencies.get("p99.9"),
        max_ms=latencies.get("max"),
        errors=dict(sorted((kind, count) for kind, count in summary.errors.items() if count)),
        acknowledged=verified.acknowledged,
        in_log=verified.in_log,
        twice=verified.twice,
        faults=verified.faults,
        log_bytes=verified.log_bytes,
        bytes_per_send=round(EVENTS_PER_SEND * verified.log_bytes / max(verified.events, 1), 1),
        rss_mb=round(max((sample.rss_mb for sample in run.samples), default=0.0), 1),
        cpu_percent=round(mean(sample.cpu_percent for sample in run.samples), 1) if run.samples else 0.0,
        late_ms=round(summary.late_ms, 1),
        interrupted=run.interrupted,
        thresholds=held,
        per_second=[_second(run, at) for at in sorted(summary.accepted) if at < measured],
    )


def judged(run: Run, thresholds: Sequence[Threshold]) -> dict[str, bool]:
    """Each threshold, and whether the run kept it."""
    figures = quick_figures(run)
    return {str(threshold): threshold.kept(figures) for threshold in thresholds}


def quick_figures(run: Run) -> dict[str, float]:
    """What thresholds are about."""
    summary, plan = run.summary, run.plan
    within = sum(count for at, count in summary.accepted.items() if at < plan.seconds)
    figures: dict[str, Any] = summary.latencies()
    return figures | {
        "sends": sum(summary.accepted.values()),
        "errors": summary.errors.total(),
        "sends_per_s": within / plan.seconds,
        "rss_mb": max((sample.rss_mb for sample in run.samples), default=0.0),
    }


def _second(run: Run, at: int) -> PerSecond:
    latencies = run.summary.latencies([at])
    plan = run.plan
    place = at + round(plan.warmup_s)
    rss = run.samples[place].rss_mb if 0 <= place < len(run.samples) else None
    return PerSecond(at, run.summary.accepted[at], latencies.get("p50"), latencies.get("p99"), rss)
