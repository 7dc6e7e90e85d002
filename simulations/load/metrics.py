"""The metrics of a run, once its log has confirmed them."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

import msgspec

from simulations.load.run import Run
from simulations.load.thresholds import Threshold
from simulations.load.verify import Verified

EVENTS_PER_SEND = 3
"""The relay to the sender's handle, the message to the session, and the notification to the receiver's handle."""


class PerSecond(msgspec.Struct):
    """One second of a run."""

    at: int
    sends: int
    p50_ms: float | None
    p99_ms: float | None
    rss_mb: float | None


class Metrics(msgspec.Struct):
    """The results of a load test.

    A latency is the time from a send's due time (closed model: from sending it) to its acknowledgement.
    """

    model: str
    url: str | None
    """Address of the served node; None if the test started its own node."""
    seconds: float
    sessions: int
    users: int
    content_bytes: int
    in_flight: int | None
    generators: int
    sends: int
    """Acknowledged after the warm-up."""
    sends_per_s: float
    """Sends acknowledged within the measured time, divided by its length."""
    events_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None
    errors: dict[str, int]
    limit: str
    """The error of a send that a limit of the node refused; empty if there was none."""
    acknowledged: int
    """Acknowledged sends of the whole run, including the warm-up."""
    in_log: int
    """Acknowledged sends found in the log."""
    twice: int
    faults: list[str]
    """The findings of the log's audit."""
    log_bytes: int
    bytes_per_send: float
    rss_mb: float
    """The node's peak memory."""
    cpu_percent: float
    """The node's average processor time, in percent of one core."""
    late_ms: float
    """The longest delay between a send's due time and its departure. If it is not small, use more generators."""
    interrupted: bool
    thresholds: dict[str, bool]
    """Each threshold, and whether the run met it."""
    per_second: list[PerSecond]

    @property
    def valid(self) -> bool:
        """Whether the log confirms these results."""
        return self.acknowledged == self.in_log and not self.twice and not self.faults


def metrics_of(
    run: Run, verified: Verified, thresholds: Sequence[Threshold] = (), *, url: str | None = None
) -> Metrics:
    """Combine a run with the log's confirmation of it."""
    plan, summary = run.plan, run.summary
    measured = min(plan.seconds, max(summary.accepted, default=-1) + 1) if run.interrupted else plan.seconds
    within = sum(count for at, count in summary.accepted.items() if at < measured)
    sends = sum(summary.accepted.values())
    rate = within / measured if measured else 0.0
    met = judged(run, thresholds)
    latencies = summary.latencies()
    return Metrics(
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
        limit=summary.limit,
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
        thresholds=met,
        per_second=[_second(run, at) for at in sorted(summary.accepted) if at < measured],
    )


def judged(run: Run, thresholds: Sequence[Threshold]) -> dict[str, bool]:
    """Each threshold, and whether the run met it."""
    metrics = threshold_metrics(run)
    return {str(threshold): threshold.kept(metrics) for threshold in thresholds}


def threshold_metrics(run: Run) -> dict[str, float]:
    """The metrics that thresholds can refer to."""
    summary, plan = run.summary, run.plan
    within = sum(count for at, count in summary.accepted.items() if at < plan.seconds)
    latencies: dict[str, Any] = summary.latencies()
    return latencies | {
        "sends": sum(summary.accepted.values()),
        "errors": summary.errors.total(),
        "sends_per_s": within / plan.seconds,
        "rss_mb": max((sample.rss_mb for sample in run.samples), default=0.0),
    }


def _second(run: Run, at: int) -> PerSecond:
    latencies = run.summary.latencies([at])
    plan = run.plan
    index = at + round(plan.warmup_s)
    rss = run.samples[index].rss_mb if 0 <= index < len(run.samples) else None
    return PerSecond(at, run.summary.accepted[at], latencies.get("p50"), latencies.get("p99"), rss)
