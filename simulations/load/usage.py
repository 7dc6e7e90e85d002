"""What a node takes of its machine."""

import time
from contextlib import suppress

import msgspec
import psutil


class Sample(msgspec.Struct):
    """A node at one moment."""

    rss_mb: float
    cpu_percent: float
    """Of one core; above 100 where it keeps more than one busy."""


class Usage:
    """Measures a process together with its child processes: a busy node has some."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._measured_s = time.monotonic()
        self._cpu_s, _ = self._taken()

    async def sample(self) -> Sample:
        """What it takes now, and what processor time it took since it was measured last."""
        now, (cpu_s, rss_bytes) = time.monotonic(), self._taken()
        took_s, passed_s = max(0.0, cpu_s - self._cpu_s), now - self._measured_s
        self._cpu_s, self._measured_s = cpu_s, now
        return Sample(rss_bytes / 1e6, 100 * took_s / passed_s)

    def _taken(self) -> tuple[float, int]:
        """Seconds of processor time until now, and bytes of memory."""
        cpu_s, rss_bytes = 0.0, 0
        for process in [self._process, *self._process.children()]:
            with suppress(psutil.NoSuchProcess):  # a child that has just ended
                times = process.cpu_times()
                cpu_s += times.user + times.system
                rss_bytes += process.memory_info().rss
        return cpu_s, rss_bytes
