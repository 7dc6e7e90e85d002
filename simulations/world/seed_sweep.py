"""Many worlds side by side, each with a seed of its own: does what has to hold hold in all of them?"""

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
from simulations.world.run import live


class SeedResult(msgspec.Struct, frozen=True):
    """What one seed came to."""

    seed: int
    events: int = 0
    messages: int = 0
    hostile: int = 0
    crashes: int = 0
    elapsed_s: float = 0.0
    state_root: str = ""
    finding: str = ""
    """What did not hold; empty if everything did."""
    sequence: int | None = None
    """Of the first message that is concerned, where there is one."""


def sweep(scenario: Scenario, seeds: Iterable[int], jobs: int) -> Iterator[SeedResult]:
    """Live a scenario with each seed, several at a time; gives each world when it ends."""
    # processes of their own that inherit nothing: a world has to come out the same wherever it lives
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=dedicate_process) as processes:
        running = [processes.submit(one_world, scenario, seed) for seed in seeds]
        try:
            for run in as_completed(running):
                yield run.result()
        finally:
            processes.shutdown(wait=True, cancel_futures=True)


def one_world(scenario: Scenario, seed: int) -> SeedResult:
    """Live one world on a log that is removed again, and check everything."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mostao-sweep-") as folder:
        path = Path(folder) / "world.db"
        try:
            lived = asyncio.run(live(scenario, seed=seed, path=path, progress=_nothing, checked=True))
        except Finding as finding:
            return SeedResult(seed, finding=str(finding), sequence=_sequence(path, finding.message))
        except LogFault as fault:
            return SeedResult(seed, finding=str(fault), sequence=fault.sequence)
        except Exception as error:  # whatever else it is: a world that cannot be lived to its end is a finding
            return SeedResult(seed, finding=f"{type(error).__name__}: {error}")
    outcome = lived.outcome
    return SeedResult(
        seed,
        lived.events,
        outcome.messages_read,
        outcome.hostile_refused,
        lived.crashes,
        round(time.perf_counter() - begun, 3),
        lived.state_root,
    )


def _sequence(path: Path, message: str) -> int | None:
    """Where a message stands in a log; None if it does not."""
    if not message:
        return None
    log = read_log(path)
    try:
        found = log.find(message)
        return found.sequence if found else None
    finally:
        log.close()


def _nothing() -> None:
    """Progress is shown world by world."""
