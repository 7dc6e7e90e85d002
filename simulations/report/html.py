"""Builds self-contained HTML pages: text, tables, and plots as inline SVG."""

from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { padding: .15rem 1rem .15rem 0; text-align: left; vertical-align: top; font-variant-numeric: tabular-nums; }
.facts th { white-space: nowrap; }
td:last-child, code { overflow-wrap: anywhere; }
svg { width: 100%; height: auto; background: #fff; }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A complete page from parts that are HTML already."""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{_STYLE}</style>
<h1>{escape(title)}</h1>
{"".join(parts)}
</html>
"""


def heading(text: str) -> str:
    """A second-level heading."""
    return f"<h2>{escape(text)}</h2>\n"


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>\n"


def command(text: str) -> str:
    """A shell command."""
    return f"<p><code>{escape(text)}</code></p>\n"


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """A table of labels and texts."""
    lines = "".join(f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in rows)
    return f'<table class="facts">{lines}</table>\n'


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with a header row."""
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{header}</tr>{lines}</table>\n"


def svg(drawing: "Figure") -> str:
    """A plot as an inline SVG element."""
    text = StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
