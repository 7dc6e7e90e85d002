"""``python -m simulations.benchmarks``: the node beside its ceiling, in one run."""

import tempfile
from pathlib import Path
from statistics import median

import click
import uvloop

from simulations.benchmarks import ceiling, load


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Each measures both in turn.")
@click.option("--sends", type=click.IntRange(1000, 10**7), default=20_000, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 10_000), default=1024, show_default=True)
def main(rounds: int, sends: int, in_flight: int) -> None:
    """Print what the node does, what the bare bones of its job do, and the share."""
    figures: dict[str, list[float]] = {name: [] for name in ("node", "ceiling", "node replay", "ceiling replay")}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            log, bare = Path(folder) / "node.db", Path(folder) / "ceiling.db"
            figures["ceiling"].append(uvloop.run(ceiling.sends_per_second(bare, sends=sends, in_flight=in_flight)))
            figures["node"].append(uvloop.run(load.sends_per_second(log, sends=sends, in_flight=in_flight)))
            figures["ceiling replay"].append(ceiling.replayed_per_second(bare))
            figures["node replay"].append(load.replayed_per_second(log))
    click.echo(f"{rounds} rounds of {sends:,} sends, {in_flight:,} in flight, {load.SESSIONS:,} sessions")
    click.echo(f"{'':24}{'node':>12}{'ceiling':>12}{'share':>8}   (medians; share round by round: min to max)")
    for label, ours, bound in (
        ("durable sends/s", "node", "ceiling"),
        ("replayed events/s", "node replay", "ceiling replay"),
    ):
        shares = [one / other for one, other in zip(figures[ours], figures[bound], strict=True)]
        click.echo(
            f"{label:24}{median(figures[ours]):>12,.0f}{median(figures[bound]):>12,.0f}{median(shares):>8.2f}"
            f"   {min(shares):.2f} to {max(shares):.2f}"
        )


if __name__ == "__main__":
    main()
