"""Runs one scenario with many seeds in parallel, and checks the invariants of each world."""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec

from actors.runtime.tuning import dedicate_process
from eventstore import LogFault, read_log
from simulations.scenario.scenario import Scenario
from simulations.world.invariants import Finding
from simulations.world.run import run_world


class SeedResult(msgspec.Struct, frozen=True):
    """The results of one seed."""

    seed: int
    events: int = 0
    messages: int = 0
    hostile: int = 0
    crashes: int = 0
    elapsed_s: float = 0.0
    state_root: str = ""
    finding: str = ""
    """The broken invariant; empty if there is none."""
    sequence: int | None = None
    """Sequence of the first message that is affected, if there is one."""


def sweep(scenario: Scenario, seeds: Iterable[int], jobs: int) -> Iterator[SeedResult]:
    """Run a scenario with each seed in ``jobs`` processes; yields each result when it is there."""
    # spawned processes inherit nothing, so that a world cannot depend on the parent's state
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=dedicate_process) as processes:
        running = [processes.submit(run_seed, scenario, seed) for seed in seeds]
        try:
            for run in as_completed(running):
                yield run.result()
        finally:
            processes.shutdown(wait=True, cancel_futures=True)


def run_seed(scenario: Scenario, seed: int) -> SeedResult:
    """Run one world on a temporary log, with all checks."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mostao-sweep-") as folder:
        path = Path(folder) / "world.db"
        try:
            result = asyncio.run(run_world(scenario, seed=seed, path=path, progress=_ignore_progress, checked=True))
        except Finding as finding:
            return SeedResult(seed, finding=str(finding), sequence=_sequence(path, finding.message))
        except LogFault as fault:
            return SeedResult(seed, finding=str(fault), sequence=fault.sequence)
        except Exception as error:  # any other error that ends a world is a finding, too
            return SeedResult(seed, finding=f"{type(error).__name__}: {error}")
    outcome = result.outcome
    return SeedResult(
        seed,
        result.events,
        outcome.messages_read,
        outcome.hostile_refused,
        result.crashes,
        round(time.perf_counter() - started, 3),
        result.state_root,
    )


def _sequence(path: Path, message: str) -> int | None:
    """The sequence of a message in a log; None if the log does not contain it."""
    if not message:
        return None
    log = read_log(path)
    try:
        found = log.find(message)
        return found.sequence if found else None
    finally:
        log.close()


def _ignore_progress() -> None:
    """A sweep shows progress per world, not per message."""
