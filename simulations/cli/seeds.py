"""``mostao simulate --seeds``: runs a scenario with many seeds and checks each world."""

import shlex
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from actors.cli.paths import free_log
from actors.cli.progress import progress_bar
from simulations.faults.crashable_node import LostWithoutTrace, NodeRefused
from simulations.scenario.scenario import Scenario
from simulations.world.failure import Failure
from simulations.world.seed_sweep import SeedResult
from simulations.world.world_processes import sweep

SEEDS_MAX = 1_000_000
SEED_MAX = 2**63 - 1
LOGS_KEPT = 10
"""Worlds that failed whose findings are shown and whose logs are kept: those with the lowest seeds."""


_ENDS = {NodeRefused.how: "refused damaged storage", LostWithoutTrace.how: "lost events without a trace"}


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


def run_sweep(
    scenario: Scenario, seeds: range, jobs: int, command: Sequence[str], *, name: str, as_json: bool
) -> list[SeedResult]:
    """Simulate a world for each seed and print a summary. The logs of the first worlds that failed are kept.

    Args:
        scenario: the scenario of all worlds.
        seeds: the seeds.
        jobs: number of worlds that run at the same time.
        command: the command line that repeats a single world, without its seed.
        name: the logs are named after it, as in ``town-seed-7.db``, in the current folder.
        as_json: print one JSON object instead of the report.

    Returns:
        The worlds that failed, in the order of their seeds.

    Raises:
        KeyboardInterrupt: the sweep was interrupted. What it found until then is printed and kept, too.
    """
    begun = time.perf_counter()
    worlds: list[SeedResult] = []
    failed: list[SeedResult] = []
    interruption: KeyboardInterrupt | None = None
    with tempfile.TemporaryDirectory(prefix="mostao-sweep-") as folder:
        results = sweep(scenario, seeds, jobs, keep=Path(folder))
        try:
            with progress_bar("worlds", len(seeds)) as bar, closing(results):
                for world in results:
                    worlds.append(world)
                    bar.advance()
                    if world.failure:
                        click.echo(f"seed {world.seed}: {world.finding}", err=True)
                        failed = sorted([*failed, world], key=lambda world: world.seed)
                        for surplus in failed[LOGS_KEPT:]:
                            _remove_log(surplus)
        except KeyboardInterrupt as error:
            interruption = error
        worlds.sort(key=lambda world: world.seed)
        logs = {world.seed: _keep_log(world, name) for world in failed[:LOGS_KEPT] if world.log}
    elapsed = time.perf_counter() - begun
    if as_json:
        shown = [_fields(world, logs.get(world.seed)) for world in worlds]
        found = {"worlds": shown, "failed": len(failed), "elapsed_s": round(elapsed, 3)}
        click.echo(msgspec.json.encode(found | {"interrupted": interruption is not None}))
    else:
        _print(worlds, failed, elapsed, logs, command, has_crashes=scenario.faults.has_crashes)
    if interruption is not None:
        raise interruption
    return failed


def _print(
    worlds: Sequence[SeedResult],
    failed: Sequence[SeedResult],
    elapsed: float,
    logs: Mapping[int, Path],
    command: Sequence[str],
    *,
    has_crashes: bool,
) -> None:
    click.echo(_table(worlds, failed, elapsed))
    calm = sum(1 for world in worlds if not world.failure and not world.crashes) if has_crashes else 0
    if calm:
        click.echo(f"{calm:,} of the worlds had no crash, so no fault that acts at a crash acted in them")
    for world in failed[:LOGS_KEPT]:
        where = "" if world.sequence is None else f" (at sequence {world.sequence})"
        click.echo(f"seed {world.seed}{where}: {world.finding}")
        if world.failure and (log := logs.get(world.seed)):
            click.echo(f"  log: {log}")
            for line in world.failure.commands(log):
                click.echo(f"  {line}")
        click.echo(f"  {shlex.join([*command, '--seed', str(world.seed)])}")


def _fields(world: SeedResult, log: Path | None) -> dict[str, Any]:
    """The fields of a world in the JSON object."""
    fields = msgspec.structs.asdict(world) | {"finding": world.finding, "sequence": world.sequence}
    failure: Failure | None = fields.pop("failure")
    kind, process = (failure.kind, failure.process) if failure else ("", "")
    commands = failure.commands(log) if failure and log else []
    return fields | {"kind": kind, "process": process, "log": str(log or ""), "commands": commands}


def _keep_log(world: SeedResult, name: str) -> Path:
    """Move a log, with the files beside it, into the current folder."""
    old, new = Path(world.log), free_log(f"{name}-seed-{world.seed}")
    for file in old.parent.iterdir():
        shutil.move(file, new.with_name(new.name + file.name.removeprefix(old.name)))
    return new


def _remove_log(world: SeedResult) -> None:
    if world.log:
        shutil.rmtree(Path(world.log).parent, ignore_errors=True)


def _table(worlds: Sequence[SeedResult], failed: Sequence[SeedResult], elapsed: float) -> str:
    passed = [world for world in worlds if not world.finding and not world.ended_early]
    ends = Counter(world.ended_early for world in worlds if world.ended_early)
    noun = "world" if len(worlds) == 1 else "worlds"
    counts = [f"{len(passed):,} passed", *(f"{count:,} {_ENDS[how]}" for how, count in sorted(ends.items()))]
    lines = [f"{len(worlds):,} {noun} in {elapsed:.0f} s: {', '.join(counts)}, {len(failed):,} failed", ""]
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
