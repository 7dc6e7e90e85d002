"""Memory as the Linux kernel counts it."""

import resource
from pathlib import Path


def memory_bytes() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
