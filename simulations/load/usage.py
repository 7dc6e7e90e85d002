"""Measures the memory and processor time of a node."""

import time
from contextlib import suppress

import msgspec


class Sample(msgspec.Struct):
    """The resources that a node uses at one moment."""

    rss_mb: float
    cpu_percent: float
    """Of one core; above 100 if the node keeps more than one core busy."""


class Usage:
    """Measures a process together with its child processes, which a busy node starts."""

    def __init__(self, pid: int) -> None:
        import psutil  # only the extra `load` installs it

        self._process, self._ended = psutil.Process(pid), psutil.NoSuchProcess
        self._measured_s = time.monotonic()
        self._cpu_s, _ = self._totals()

    async def sample(self) -> Sample:
        """Current memory, and processor time since the previous sample."""
        now, (cpu_s, rss_bytes) = time.monotonic(), self._totals()
        used_s, elapsed_s = max(0.0, cpu_s - self._cpu_s), now - self._measured_s
        self._cpu_s, self._measured_s = cpu_s, now
        return Sample(rss_bytes / 1e6, 100 * used_s / elapsed_s)

    def _totals(self) -> tuple[float, int]:
        """Seconds of processor time so far, and bytes of memory."""
        cpu_s, rss_bytes = 0.0, 0
        for process in [self._process, *self._process.children()]:
            with suppress(self._ended):  # the child has just ended
                times = process.cpu_times()
                cpu_s += times.user + times.system
                rss_bytes += process.memory_info().rss
        return cpu_s, rss_bytes
