"""New processes, one per measurement, so that no measurement affects the next one."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def fresh_processes() -> ProcessPoolExecutor:
    """A pool that runs each function in a new process, one at a time."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=1, max_tasks_per_child=1, mp_context=context)
