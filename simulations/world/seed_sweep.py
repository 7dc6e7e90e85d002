"""Runs one world of a sweep, and checks its invariants."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from eventstore import LogFault
from simulations.faults.crashable_node import StorageLoss
from simulations.scenario.scenario import Scenario
from simulations.world.failure import Failure, failure_of
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
    failure: Failure | None = None
    """The broken invariant; None if there is none."""
    ended_early: str = ""
    """How the storage ended the world, which is no finding: ``refused`` if the node refused a damaged log, ``lost`` if
    events are missing and nothing shows it. Empty if the world came to its end."""
    reason: str = ""
    """Why it ended early."""
    log: str = ""
    """The log of a world that failed; empty if it is not kept."""

    @property
    def finding(self) -> str:
        """The broken invariant in words; empty if there is none."""
        return self.failure.text if self.failure else ""

    @property
    def sequence(self) -> int | None:
        """The sequence after which the invariant is broken, if there is one."""
        return self.failure.sequence if self.failure else None


def run_seed(scenario: Scenario, seed: int, keep: Path | None = None) -> SeedResult:
    """Run one world on a temporary log, with all checks. A log that is kept lies in a folder of its own in ``keep``."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mostao-sweep-") as folder:
        path = Path(folder) / "world.db"
        try:
            result = asyncio.run(run_world(scenario, seed=seed, path=path, progress=_ignore_progress, checked=True))
        except (Finding, LogFault) as error:
            failure = failure_of(error, path)
            log = Path(shutil.copytree(folder, keep / str(seed))) / path.name if keep else ""
            return SeedResult(seed, elapsed_s=_seconds_since(started), failure=failure, log=str(log))
        except StorageLoss as loss:
            ended = SeedResult(seed, elapsed_s=_seconds_since(started), ended_early=loss.how, reason=str(loss))
            return msgspec.structs.replace(ended, events=loss.events, crashes=loss.crashes)
        except Exception as error:  # the world could not start
            return SeedResult(seed, failure=Failure(f"{type(error).__name__}: {error}", type(error).__name__))
    outcome = result.outcome
    return SeedResult(
        seed,
        result.events,
        outcome.messages_read,
        outcome.hostile_refused,
        result.crashes,
        _seconds_since(started),
        result.state_root,
    )


def _seconds_since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _ignore_progress() -> None:
    """A sweep shows progress per world, not per message."""
