"""The HTML report of a load test: its results, and plots over time."""

from pathlib import Path

from simulations.load.labels import rows, title
from simulations.load.metrics import Metrics
from simulations.report.html import command, facts, heading, page, paragraph, svg


def write_report(path: Path, metrics: Metrics, *, command_line: str) -> None:
    """Write the report of a load test to a file.

    Args:
        path: the HTML file.
        metrics: the results.
        command_line: the command that made them.
    """
    parts = [
        paragraph(title(metrics)),
        facts(rows(metrics)),
        command(command_line),
        heading("Second by second"),
        _plots(metrics),
    ]
    path.write_text(page(f"{metrics.sends_per_s:,.0f} durable sends per second", parts))


def _plots(metrics: Metrics) -> str:
    from matplotlib.figure import Figure  # a slow import that most runs do not need

    at = [second.at for second in metrics.per_second]
    drawing = Figure(figsize=(9, 7), layout="constrained")
    sends, latency, memory = drawing.subplots(3, 1, sharex=True)
    sends.plot(at, [second.sends for second in metrics.per_second], color="tab:blue")
    sends.set_ylabel("sends per second")
    sends.set_ylim(bottom=0)
    for name, color in (("p50_ms", "tab:green"), ("p99_ms", "tab:red")):
        values = [getattr(second, name) for second in metrics.per_second]
        latency.plot(at, [float("nan") if value is None else value for value in values], color=color, label=name[:3])
    latency.set_ylabel("latency, ms")
    latency.set_yscale("log")
    latency.legend(loc="upper right")
    megabytes = [second.rss_mb for second in metrics.per_second]
    memory.plot(at, [float("nan") if value is None else value for value in megabytes], color="tab:purple")
    memory.set_ylabel("node's memory, MB")
    memory.set_ylim(bottom=0)
    memory.set_xlabel("second")
    for axes in (sends, latency, memory):
        axes.grid(alpha=0.3)
    return svg(drawing)
