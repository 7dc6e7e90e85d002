"""When a simulated node dies."""

from collections.abc import Sequence
from random import Random

SOON_EVENTS = 12
"""A node that dies at some time dies within so many events from then."""


class PlannedCrashes:
    """Says how far a node comes before it dies.

    Args:
        at_messages: numbers of events.
        at_ms: times in ms since the epoch.
        random: draws how far it comes at such a time.
    """

    def __init__(self, at_messages: Sequence[int], at_ms: Sequence[int], random: Random) -> None:
        self._at = list(at_messages)
        self._at_ms = sorted(at_ms)
        self._random = random

    def next(self, sequence: int, now_ms: int) -> int | None:
        """The last event that becomes durable before the node dies, from what is in the log now; None if it lives."""
        while self._at_ms and self._at_ms[0] <= now_ms:
            del self._at_ms[0]
            self._at.append(sequence + self._random.randint(1, SOON_EVENTS))
        self._at = sorted(at for at in self._at if at >= sequence)
        return self._at[0] if self._at else None

    def died(self) -> None:
        """It did, where it was said last."""
        del self._at[0]
