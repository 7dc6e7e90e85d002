"""A load test as one page that needs nothing else: tables, and plots as SVG."""

from html import escape
from io import StringIO
from pathlib import Path

from simulations.load.figures import Figures
from simulations.load.wording import rows, title

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; }
th { white-space: nowrap; }
td { font-variant-numeric: tabular-nums; } code { overflow-wrap: anywhere; }
svg { width: 100%; height: auto; background: #fff; }
"""


def write_report(path: Path, figures: Figures, *, command: str) -> None:
    """Write the page of a load test."""
    lines = [*rows(figures), ("command", command)]
    table = "".join(f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in lines)
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>mostao load: {figures.sends_per_s:,.0f} sends/s</title><style>{_STYLE}</style>
<h1>{figures.sends_per_s:,.0f} durable sends per second</h1>
<p>{escape(title(figures))}</p>
<table>{table}</table>
<h2>Second by second</h2>
{_plots(figures)}
</html>
"""
    path.write_text(page)


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
    text = StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
