"""``python -m simulations.benchmarks``: the node beside its ceiling, in one run."""

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
"""Those of the ceiling whose latency the node's is held against."""
LATENCY_S = 15
"""For so long the node takes half of what it can."""
READINGS = 3
"""So often a round reads both logs, in turn, and takes the medians: each takes a second or two, and a core's speed
changes in less."""
_ROWS = (
    ("durable sends/s", "sends", "ceiling sends"),
    ("  p99 ms at half that", "p99", "ceiling p99"),
    ("replayed events/s", "replay", "ceiling replay"),
    ("audited events/s", "audit", "ceiling replay"),
    ("  without signatures", "audit unsigned", "ceiling replay"),
)


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Each measures both in turn.")
@click.option("--sends", type=click.IntRange(1000, 10**7), default=40_000, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 10_000), default=1024, show_default=True)
def main(rounds: int, sends: int, in_flight: int) -> None:
    """Print what the node does, what the bare bones of its job do, and the share.

    The node's p99 counts from when each send was due; the ceiling's is that of 64 in flight.
    """
    figures: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, figure in _round(Path(folder), sends, in_flight).items():
                figures[name].append(figure)
    click.echo(f"{rounds} rounds of {sends:,} sends, {in_flight:,} in flight, {load.SESSIONS:,} sessions")
    click.echo(f"{'':22}{'node':>10}{'ceiling':>10}{'share':>8}   share round by round (the rest: medians)")
    for label, ours, bound in _ROWS:
        shares = [one / other for one, other in zip(figures[ours], figures[bound], strict=True)]
        click.echo(
            f"{label:22}{median(figures[ours]):>10,.0f}{median(figures[bound]):>10,.0f}{median(shares):>8.2f}"
            f"   {' '.join(f'{share:.2f}' for share in shares)}"
        )


def _round(folder: Path, sends: int, in_flight: int) -> dict[str, float]:
    """Each figure once, each from a process of its own."""
    with fresh_processes() as processes:

        def measure(function: Callable[..., float], log: str, **arguments: Any) -> float:
            return processes.submit(function, folder / log, **arguments).result()

        figures = {
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
        figures |= {name: median(reading[name] for reading in readings) for name in readings[0]}
        half = figures["sends"] / 2
        return figures | {"p99": measure(load.p99_ms, "half.db", sends=int(half * LATENCY_S), per_second=half)}


if __name__ == "__main__":
    main()
