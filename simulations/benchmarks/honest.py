"""``python -m simulations.benchmarks.honest``: towns of many seeds, each of whose logs has to pass the audit."""

import asyncio
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path

import click

from actors import Node, Wallet
from actors.audit import audit
from simulations.commands.progress import progress_bar
from simulations.town import DAWN_MS, Town
from simulations.virtual import VirtualClock


@click.command()
@click.option("--seeds", type=click.IntRange(1, 10**6), default=200, show_default=True)
@click.option("--users", type=click.IntRange(2, 10_000), default=12, show_default=True)
@click.option("--messages", type=click.IntRange(0, 10**6), default=100, show_default=True)
def main(seeds: int, users: int, messages: int) -> None:
    """Exit code 1 if the audit finds a fault where there is none."""
    begun, events = time.perf_counter(), 0
    with ProcessPoolExecutor(os.cpu_count()) as pool, progress_bar("auditing towns", seeds) as bar:
        runs = [pool.submit(_audited, seed, users, messages) for seed in range(1, seeds + 1)]
        for seed, run in enumerate(runs, start=1):
            count, faults = run.result()
            if faults:
                sys.exit(f"seed {seed}: {faults[0]}")
            events += count
            bar.advance()
    click.echo(f"{seeds:,} towns, {events:,} events in {time.perf_counter() - begun:.0f} s: no false alarm")


def _audited(seed: int, users: int, messages: int) -> tuple[int, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "town.db"
        asyncio.run(_live(path, seed, users, messages))
        report = audit(path)
    return report.events, [str(fault) for fault in report.faults]


async def _live(path: Path, seed: int, users: int, messages: int) -> None:
    clock = VirtualClock(DAWN_MS)
    async with Node.open(path, new=True, wallet=Wallet(sha256(b"%d" % seed).digest()), clock=clock) as node:
        await Town(node, clock, users=users, messages=messages, seed=seed, progress=_nothing).live()


def _nothing() -> None:
    """Progress is shown town by town."""


if __name__ == "__main__":
    main()
