"""Faults of the node and of its disk."""

from typing import Annotated

from msgspec import Meta

from simulations.faults.fault import HOUR_S, HourOfDay, NodeFault


class CrashAtMessage(NodeFault, frozen=True):
    """Crashes the node at given sequences."""

    crash_at_message: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(
            description="numbers of events after which the node crashes, loses what is not durable, and restarts",
        ),
    ] = ()

    def crashes_after(self) -> tuple[int, ...]:
        """The given sequences."""
        return self.crash_at_message


class CrashAtHour(NodeFault, frozen=True):
    """Crashes the node at given hours."""

    crash_at_h: Annotated[tuple[HourOfDay, ...], Meta(description="hours at which the node crashes likewise")] = ()

    def crash_times_s(self) -> tuple[int, ...]:
        """The given hours, in seconds."""
        return tuple(round(hour * HOUR_S) for hour in self.crash_at_h)


class SlowDisk(NodeFault, frozen=True):
    """Slows the node's disk down."""

    slow_disk_ms: Annotated[float, Meta(ge=0, le=1000, description="real time in ms added to every commit")] = 0.0

    def commit_delay_ms(self) -> float:
        """The given delay."""
        return self.slow_disk_ms


class SmallMemory(NodeFault, frozen=True):
    """Keeps few processes in memory."""

    live_processes: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="processes in memory; the others leave it after snapshots, and return with their next message",
        ),
    ] = 0

    def live_max(self) -> int:
        """The given number."""
        return self.live_processes
