"""Partitions of a log, replayed one after the other in the process of a test."""

from collections.abc import Callable
from typing import Any

from actors.audit.partition_job import PartitionJob, PartitionResult, replay_partition


def run_in_this_process(job: PartitionJob, progress: Callable[[int], Any]) -> list[PartitionResult]:
    return [replay_partition(job, number, progress) for number in range(len(job.partitions))]
