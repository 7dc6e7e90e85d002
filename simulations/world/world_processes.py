"""Runs worlds in child processes: a scenario with many seeds, or some worlds one after another."""

import multiprocessing
import signal
import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from actors.runtime.tuning import dedicate_process
from simulations.scenario.scenario import Scenario
from simulations.world.seed_sweep import SeedResult, run_seed


def sweep(
    scenario: Scenario, seeds: Sequence[int], jobs: int, *, keep: Path | None = None
) -> Generator[SeedResult, None, None]:
    """Run a scenario with each seed in ``jobs`` processes; yields each result when it is there.

    Args:
        scenario: the scenario of all worlds.
        seeds: the seeds.
        jobs: number of worlds that run at the same time.
        keep: a folder for the logs of the worlds that fail; None to remove them, too.
    """
    with world_processes(jobs) as processes:
        for run in as_completed(processes.submit(scenario, seeds, keep)):
            yield run.result()


class WorldProcesses:
    """Runs worlds in child processes. Ctrl-C reaches the parent only, which then ends them."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, scenario: Scenario, seeds: Sequence[int], keep: Path | None = None) -> list[Future[SeedResult]]:
        """Start a world for each seed (``run_seed``)."""
        # a child inherits the blocked signal, also while it imports; a signal to this process waits until the end
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return [self._pool.submit(run_seed, scenario, seed, keep) for seed in seeds]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def end(self) -> None:
        """End the worlds that are running: the pool would wait for them."""
        for child in multiprocessing.active_children():
            child.terminate()


@contextmanager
def world_processes(jobs: int) -> Iterator[WorldProcesses]:
    """Child processes until the block ends. If it ends with an error or early, their worlds end, too.

    Args:
        jobs: number of worlds that run at the same time.
    """
    # spawned processes inherit nothing, so that a world cannot depend on the parent's state
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="mostao-worlds-", ignore_cleanup_errors=True) as folder:
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(folder,))
        processes = WorldProcesses(pool)
        try:
            yield processes
        except BaseException:
            processes.end()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _prepare(folder: str) -> None:
    """Set up a child: its temporary files are in a folder that the parent removes, also if the child is killed."""
    tempfile.tempdir = folder
    dedicate_process()
