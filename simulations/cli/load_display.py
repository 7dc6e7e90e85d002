"""The live table of a running load test, shown only on terminals."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from simulations.load.metrics import threshold_metrics
from simulations.load.run import Run
from simulations.load.search import Trial
from simulations.load.thresholds import Threshold

_ROWS = 12


class LiveLoad:
    """A table with a row for each second."""

    def __init__(self, thresholds: Sequence[Threshold]) -> None:
        self._thresholds = thresholds
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show_text(self, text: str) -> None:
        """Show a line of text in place of the table."""
        if self._console.is_terminal:
            self._live.update(text, refresh=True)

    def print(self, text: str) -> None:
        """Print a line above the table, also where there is no terminal."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show_run(self, run: Run) -> None:
        """Show the metrics of a run so far."""
        if self._console.is_terminal:
            self._live.update(self._table(run), refresh=True)

    def show_trial(self, trial: Trial) -> None:
        """Print a line about a trial of ``--find-max``."""
        if self._console.is_terminal:
            p99 = "-" if trial.p99_ms is None else f"{trial.p99_ms:,.1f} ms"
            verdict = "passed" if trial.kept else "failed"
            self._console.print(f"{trial.rate:>10,.0f} sends/s  p99 {p99:>12}  thresholds {verdict}")

    def _table(self, run: Run) -> Table:
        model = "open model" if run.plan.is_open else f"{run.plan.in_flight:,} in flight"
        table = Table(title=f"load, {model}, {run.plan.seconds:g} s", title_justify="left")
        for name in ("second", "sends", "p50 ms", "p99 ms", "node MB", "node CPU %"):
            table.add_column(name, justify="right")
        sample = run.samples[-1] if run.samples else None
        for second in sorted(run.summary.accepted)[-_ROWS:]:
            latencies = run.summary.latencies([second])
            is_last = second == max(run.summary.accepted) and sample is not None
            table.add_row(
                str(second + 1),
                f"{run.summary.accepted[second]:,}",
                f"{latencies.get('p50', 0):,.1f}",
                f"{latencies.get('p99', 0):,.1f}",
                f"{sample.rss_mb:,.0f}" if is_last and sample else "",
                f"{sample.cpu_percent:.0f}" if is_last and sample else "",
            )
        metrics = threshold_metrics(run)
        verdicts = [f"{each} {'passes' if each.kept(metrics) else 'FAILS'}" for each in self._thresholds]
        errors = sum(run.summary.errors.values())
        table.caption = "  ".join([f"errors {errors:,}", *verdicts])
        return table
