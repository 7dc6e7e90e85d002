"""``python -m simulations.benchmarks``: compares the node with its ceiling, in one run."""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click

from simulations.benchmarks import ceiling, load
from simulations.benchmarks.fresh import fresh_processes

FEW_IN_FLIGHT = 64
"""Sends in flight when the ceiling's latency is measured."""
LATENCY_S = 15
"""Length of the latency measurement, at half of the node's highest rate."""
READINGS = 3
"""Number of times that a round reads both logs, in turn. The medians count, because a core's speed changes within the
second or two that one reading takes."""
_ROWS = (
    ("durable sends/s", "sends", "ceiling sends"),
    ("  p99 ms at half that", "p99", "ceiling p99"),
    ("replayed events/s", "replay", "ceiling replay"),
    ("audited events/s", "audit", "ceiling replay"),
    ("  without signatures", "audit unsigned", "ceiling replay"),
)


@click.command()
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Each round measures both in turn."
)
@click.option("--sends", type=click.IntRange(1000, 10**7), default=40_000, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 10_000), default=1024, show_default=True)
def main(rounds: int, sends: int, in_flight: int) -> None:
    """Print the node's rates, those of the ceiling, and the node's share of them.

    The node's p99 latency counts from the due time of each send. The ceiling's is measured with 64 sends in flight.
    """
    measurements: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, value in _round(Path(folder), sends, in_flight).items():
                measurements[name].append(value)
    click.echo(f"{rounds} rounds of {sends:,} sends, {in_flight:,} in flight, {load.SESSIONS:,} sessions")
    click.echo(f"{'':22}{'node':>10}{'ceiling':>10}{'share':>8}   share in each round (the others are medians)")
    for label, node, ceiling_name in _ROWS:
        node_values, ceiling_values = measurements[node], measurements[ceiling_name]
        shares = [value / bound for value, bound in zip(node_values, ceiling_values, strict=True)]
        click.echo(
            f"{label:22}{median(node_values):>10,.0f}{median(ceiling_values):>10,.0f}{median(shares):>8.2f}"
            f"   {' '.join(f'{share:.2f}' for share in shares)}"
        )


def _round(folder: Path, sends: int, in_flight: int) -> dict[str, float]:
    """Measure each value once, each in a new process."""
    with fresh_processes() as processes:

        def measure(function: Callable[..., float], log: str, **arguments: Any) -> float:
            return processes.submit(function, folder / log, **arguments).result()

        measured = {
            "ceiling sends": measure(ceiling.sends_per_second, "ceiling.db", sends=sends, in_flight=in_flight),
            "ceiling p99": measure(ceiling.p99_ms, "few.db", sends=sends, in_flight=FEW_IN_FLIGHT),
            "sends": measure(load.sends_per_second, "node.db", sends=sends, in_flight=in_flight),
        }
        readings = [
            {
                "ceiling replay": measure(ceiling.replayed_per_second, "ceiling.db"),
                "replay": measure(load.replayed_per_second, "node.db"),
                "audit": measure(load.audited_per_second, "node.db", signatures=True),
                "audit unsigned": measure(load.audited_per_second, "node.db", signatures=False),
            }
            for _ in range(READINGS)
        ]
        measured |= {name: median(reading[name] for reading in readings) for name in readings[0]}
        half = measured["sends"] / 2
        return measured | {"p99": measure(load.p99_ms, "half.db", sends=int(half * LATENCY_S), per_second=half)}


if __name__ == "__main__":
    main()
