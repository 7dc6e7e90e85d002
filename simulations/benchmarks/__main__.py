"""``python -m simulations.benchmarks``: the node beside its ceiling, in one run."""

import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import click

from simulations.benchmarks import ceiling, load
from simulations.benchmarks.fresh import fresh_processes


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Each measures both in turn.")
@click.option("--sends", type=click.IntRange(1000, 10**7), default=40_000, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 10_000), default=1024, show_default=True)
def main(rounds: int, sends: int, in_flight: int) -> None:
    """Print what the node does, what the bare bones of its job do, and the share."""
    figures: defaultdict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, fresh_processes() as processes:
        for number in range(rounds):
            for name, module in (("ceiling", ceiling), ("node", load)):
                path = Path(folder) / f"{name}-{number}.db"
                sending = processes.submit(module.sends_per_second, path, sends=sends, in_flight=in_flight)
                figures[name].append(sending.result())
                figures[f"{name} replay"].append(processes.submit(module.replayed_per_second, path).result())
            for name, signatures in (("audit", True), ("audit unsigned", False)):
                auditing = processes.submit(load.audited_per_second, path, signatures=signatures)
                figures[name].append(auditing.result())
    click.echo(f"{rounds} rounds of {sends:,} sends, {in_flight:,} in flight, {load.SESSIONS:,} sessions")
    click.echo(f"{'':22}{'node':>10}{'ceiling':>10}{'share':>8}   share round by round (the rest: medians)")
    for label, ours, bound in (
        ("durable sends/s", "node", "ceiling"),
        ("replayed events/s", "node replay", "ceiling replay"),
        ("audited events/s", "audit", "ceiling replay"),
        ("  without signatures", "audit unsigned", "ceiling replay"),
    ):
        shares = [one / other for one, other in zip(figures[ours], figures[bound], strict=True)]
        click.echo(
            f"{label:22}{median(figures[ours]):>10,.0f}{median(figures[bound]):>10,.0f}{median(shares):>8.2f}"
            f"   {' '.join(f'{share:.2f}' for share in shares)}"
        )


if __name__ == "__main__":
    main()
