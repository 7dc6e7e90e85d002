"""When a simulated node crashes."""

from collections.abc import Sequence
from random import Random

SOON_EVENTS = 12
"""A crash at a given time occurs within this many events after it."""


class CrashSchedule:
    """Tells after which event a node crashes next.

    Args:
        after: sequences after which the node crashes.
        at_ms: times at which the node crashes, in ms since the epoch.
        random: draws the number of events between such a time and its crash.
    """

    def __init__(self, after: Sequence[int], at_ms: Sequence[int], random: Random) -> None:
        self._after = list(after)
        self._at_ms = sorted(at_ms)
        self._random = random

    def next_crash(self, sequence: int, now_ms: int) -> int | None:
        """The last event that becomes durable before the next crash; None if no crash is due.

        Args:
            sequence: the newest event in the log.
            now_ms: the virtual time.
        """
        while self._at_ms and self._at_ms[0] <= now_ms:
            del self._at_ms[0]
            self._after.append(sequence + self._random.randint(1, SOON_EVENTS))
        self._after = sorted(after for after in self._after if after >= sequence)
        return self._after[0] if self._after else None

    def crashed(self) -> None:
        """Remove the crash that ``next_crash`` returned last, because it has occurred."""
        del self._after[0]
