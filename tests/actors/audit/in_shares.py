"""Shares of a log, followed one after the other in the process of a test."""

from collections.abc import Callable
from typing import Any, Self

from actors.audit.parallel_replay import Job, PartitionResult, replay_partition


class InProcessPartitions:
    """In place of ``PartitionWorkers``."""

    def __init__(self, job: Job, outcome: type[PartitionResult]) -> None:
        self._job = job

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def wait(self, progress: Callable[[int], Any] | None = None) -> list[PartitionResult]:
        return [replay_partition(self._job, number, progress or _ignore) for number in range(len(self._job.shares))]


def _ignore(events: int) -> None:
    pass
