"""Memory, as the kernel counts it (Linux)."""

import resource
from pathlib import Path


def memory_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
