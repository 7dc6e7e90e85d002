"""``mostao simulate --seeds``: runs a scenario with many seeds and checks each world."""

import shlex
import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from actors.cli.progress import progress_bar
from simulations.scenario.scenario import Scenario
from simulations.world.seed_sweep import SeedResult, sweep

SEEDS_MAX = 1_000_000
SEED_MAX = 2**63 - 1
FINDINGS_SHOWN = 10


class Seeds(click.ParamType["range"]):
    """A range of seeds such as ``1..500``, both ends included."""

    name = "FIRST..LAST"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> range:
        """Parse and check the text."""
        if isinstance(value, range):
            return value
        first, dots, last = str(value).partition("..")
        try:
            start, end = int(first), int(last if dots else first)
        except ValueError:
            self.fail(
                f"{value!r} is not a range of seeds: write the first and the last, as in 1..500", parameter, context
            )
        if not 0 <= start <= end <= SEED_MAX or end - start >= SEEDS_MAX:
            self.fail(f"{value!r} must contain 1 to {SEEDS_MAX:,} seeds between 0 and {SEED_MAX}", parameter, context)
        return range(start, end + 1)


def run_sweep(scenario: Scenario, seeds: range, jobs: int, command: Sequence[str], *, as_json: bool) -> bool:
    """Simulate a world for each seed and print a summary. Returns whether all worlds passed.

    Args:
        scenario: the scenario of all worlds.
        seeds: the seeds.
        jobs: number of worlds that run at the same time.
        command: the command line that repeats a single world, without its seed.
        as_json: print one JSON object instead of the report.
    """
    begun = time.perf_counter()
    worlds: list[SeedResult] = []
    with progress_bar("worlds", len(seeds)) as bar:
        for world in sweep(scenario, seeds, jobs):
            worlds.append(world)
            bar.advance()
    worlds.sort(key=lambda world: world.seed)
    elapsed = time.perf_counter() - begun
    failed = [world for world in worlds if world.finding]
    if as_json:
        report = {"worlds": worlds, "failed": len(failed), "elapsed_s": round(elapsed, 3)}
        click.echo(msgspec.json.encode(report))
    else:
        click.echo(_table(worlds, failed, elapsed))
        for world in failed[:FINDINGS_SHOWN]:
            where = "" if world.sequence is None else f" (first at sequence {world.sequence})"
            click.echo(f"seed {world.seed}{where}: {world.finding}")
            click.echo(f"  {shlex.join([*command, '--seed', str(world.seed)])}")
    return not failed


def _table(worlds: Sequence[SeedResult], failed: Sequence[SeedResult], elapsed: float) -> str:
    passed = [world for world in worlds if not world.finding]
    noun = "world" if len(worlds) == 1 else "worlds"
    lines = [f"{len(worlds):,} {noun} in {elapsed:.0f} s: {len(passed):,} passed, {len(failed):,} failed", ""]
    lines.append(f"  {'per world':<18}{'min':>10}{'median':>10}{'max':>10}{'total':>14}")
    for label, name in (
        ("events", "events"),
        ("messages read", "messages"),
        ("attempts refused", "hostile"),
        ("crashes", "crashes"),
    ):
        values = sorted(getattr(world, name) for world in passed)
        if values:
            median, total = values[len(values) // 2], sum(values)
            lines.append(f"  {label:<18}{values[0]:>10,}{median:>10,}{values[-1]:>10,}{total:>14,}")
    return "\n".join(lines)
