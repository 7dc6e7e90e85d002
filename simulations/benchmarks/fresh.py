"""One process after the other, each for one measurement: what one leaves behind is not another's burden."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def fresh_processes() -> ProcessPoolExecutor:
    """Runs each function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=1, max_tasks_per_child=1, mp_context=context)
