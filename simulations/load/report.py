"""A load test as one page: what it came to, and second by second."""

from pathlib import Path

from simulations.load.labels import rows, title
from simulations.load.metrics import Figures
from simulations.report.html import command, facts, heading, page, paragraph, svg


def write_report(path: Path, figures: Figures, *, command_line: str) -> None:
    """Write the page of a load test."""
    parts = [
        paragraph(title(figures)),
        facts(rows(figures)),
        command(command_line),
        heading("Second by second"),
        _plots(figures),
    ]
    path.write_text(page(f"{figures.sends_per_s:,.0f} durable sends per second", parts))


def _plots(figures: Figures) -> str:
    from matplotlib.figure import Figure  # takes long, and most runs draw nothing

    at = [second.at for second in figures.per_second]
    drawing = Figure(figsize=(9, 7), layout="constrained")
    sends, latency, memory = drawing.subplots(3, 1, sharex=True)
    sends.plot(at, [second.sends for second in figures.per_second], color="tab:blue")
    sends.set_ylabel("sends per second")
    sends.set_ylim(bottom=0)
    for name, color in (("p50_ms", "tab:green"), ("p99_ms", "tab:red")):
        values = [getattr(second, name) for second in figures.per_second]
        latency.plot(at, [float("nan") if value is None else value for value in values], color=color, label=name[:3])
    latency.set_ylabel("latency, ms")
    latency.set_yscale("log")
    latency.legend(loc="upper right")
    megabytes = [second.rss_mb for second in figures.per_second]
    memory.plot(at, [float("nan") if value is None else value for value in megabytes], color="tab:purple")
    memory.set_ylabel("node's memory, MB")
    memory.set_ylim(bottom=0)
    memory.set_xlabel("second")
    for axes in (sends, latency, memory):
        axes.grid(alpha=0.3)
    return svg(drawing)
