"""Shares of a log, followed one after the other in the process of a test."""

from collections.abc import Callable
from typing import Any, Self

from actors.audit.parallel_replay import Job, Outcome, follow_share


class SharesHere:
    """In place of ``ShareWorkers``."""

    def __init__(self, job: Job, outcome: type[Outcome]) -> None:
        self._job = job

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def wait(self, progress: Callable[[int], Any] | None = None) -> list[Outcome]:
        return [follow_share(self._job, number, progress or _ignore) for number in range(len(self._job.shares))]


def _ignore(events: int) -> None:
    pass
