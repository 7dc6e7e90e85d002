"""``mostao simulate --seeds``: a scenario with many seeds."""

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
FINDINGS_SHOWN = 10


class Seeds(click.ParamType["range"]):
    """``1..500``: both ends included."""

    name = "FIRST..LAST"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> range:
        """See ``click.ParamType``."""
        if isinstance(value, range):
            return value
        first, dots, last = str(value).partition("..")
        try:
            seeds = range(int(first), int(last if dots else first) + 1)
        except ValueError:
            self.fail(f"{value!r} is no range of seeds: write the first and the last, as in 1..500", parameter, context)
        if not seeds or seeds[0] < 0 or len(seeds) > SEEDS_MAX:
            self.fail(f"{value!r} has to hold 1 to {SEEDS_MAX:,} seeds from 0 on", parameter, context)
        return seeds


def run_sweep(scenario: Scenario, seeds: range, jobs: int, command: Sequence[str], *, as_json: bool) -> bool:
    """Live every world, and print what they came to; gives whether everything held in all of them.

    Args:
        scenario: what they are made of.
        seeds: one for each.
        jobs: worlds that live at a time.
        command: what shows a single world again, but for its seed.
        as_json: print one JSON object.
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
        found = {"worlds": worlds, "failed": len(failed), "elapsed_s": round(elapsed, 3)}
        click.echo(msgspec.json.encode(found))
    else:
        click.echo(_table(worlds, failed, elapsed))
        for world in failed[:FINDINGS_SHOWN]:
            where = "" if world.sequence is None else f" (first at sequence {world.sequence})"
            click.echo(f"seed {world.seed}{where}: {world.finding}")
            click.echo(f"  {shlex.join([*command, '--seed', str(world.seed)])}")
    return not failed


def _table(worlds: Sequence[SeedResult], failed: Sequence[SeedResult], elapsed: float) -> str:
    held = [world for world in worlds if not world.finding]
    lines = [f"{len(worlds):,} worlds in {elapsed:.0f} s: everything held in {len(held):,}, not in {len(failed):,}", ""]
    lines.append(f"  {'per world':<18}{'least':>10}{'median':>10}{'most':>10}{'in all':>14}")
    for label, name in (
        ("events", "events"),
        ("messages read", "messages"),
        ("attempts refused", "hostile"),
        ("crashes", "crashes"),
    ):
        values = sorted(getattr(world, name) for world in held)
        if values:
            middle, whole = values[len(values) // 2], sum(values)
            lines.append(f"  {label:<18}{values[0]:>10,}{middle:>10,}{values[-1]:>10,}{whole:>14,}")
    return "\n".join(lines)
