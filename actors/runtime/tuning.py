"""How Python is set in a process that has nothing else to do than run a node, or follow a log."""

import gc
import sys

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""See ``gc.set_threshold``. A node's states are trees, and what it drops is freed at once; to look through millions of
objects for cycles finds next to nothing. Some there are (errors and the frames that they hold), so it is not left out.
"""
SWITCH_S = 0.0005
"""See ``sys.setswitchinterval``. So long may the event loop keep a thread waiting for the interpreter lock, which the
writer needs dozens of times for each batch. With Python's own 5 ms a batch lasts a quarter of a second, in which the
loop runs out of work."""


def dedicate_process() -> None:
    """Prepare it. For whoever owns the process, once what it needs is imported."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)
