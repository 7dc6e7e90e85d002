"""Interpreter settings for a process that only runs a node or replays a log.

Without them a node does 0.96 of the sends (median of 27 undisturbed pairs, 95 % interval 0.92 to 0.99), and a replay
and an audit run at 0.99 and 0.98 of the speed.
"""

import gc
import sys

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""Arguments of ``gc.set_threshold``. The states of a node are trees, so reference counting frees almost all garbage at
once, and a search through millions of objects finds few cycles. Errors and the frames that they hold do form cycles, so
the collector stays on.
"""
SWITCH_S = 0.0005
"""Argument of ``sys.setswitchinterval``: how long the event loop may hold the interpreter lock while a thread waits for
it. The log writer takes the lock dozens of times per batch. With Python's default of 5 ms a batch takes a quarter of a
second, and the loop runs out of work."""


def dedicate_process() -> None:
    """Tune the garbage collector and the switch interval. Call once from main(), after imports."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)
