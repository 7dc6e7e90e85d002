"""How often Python looks for cycles of garbage, in a process that is there to run a node."""

import gc

THRESHOLDS = (50_000, 20, 50)
"""See ``gc.set_threshold``. A node's states are trees, and what it drops is freed at once; to look through millions of
objects for cycles finds next to nothing. Some there are (errors and the frames that they hold), so it is not left out.
"""


def collect_seldom() -> None:
    """Look for garbage less often, and never again among what there is now. For whoever owns the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
