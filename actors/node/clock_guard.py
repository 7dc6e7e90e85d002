"""Refuses the time of a wall clock that jumped, so that no wrong time enters the log.

Timestamps of a log never go back. One message with a time far in the future would move all later messages there, and
with them everything that expires.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from eventstore import EventStoreError

JUMP_MS_MAX = 3_600_000
"""How far the wall clock may move against the monotonic clock, and may be behind a log that is opened."""
_CHECK_MS = 1_000
"""Wall time between two reads of the monotonic clock. A jump of more than this is checked at once."""
_ELAPSED_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Continues while the machine is suspended, so that a suspend is no jump. Linux needs ``CLOCK_BOOTTIME`` for that."""


class ClockUnreliable(EventStoreError):
    """The system clock jumped, or is behind the log. No message gets a timestamp until it is right or confirmed."""


class ClockGuard:
    """A wall clock that raises when it disagrees with a monotonic clock.

    Args:
        wall: gives the time in ms since the epoch.
        monotonic: gives the ms since any fixed moment, and never jumps.
        on_change: called with the reason when time is first refused, and with None when it is accepted again.
    """

    def __init__(
        self,
        wall: Callable[[], int],
        monotonic: Callable[[], int],
        on_change: Callable[[str | None], object] | None = None,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self.on_change = on_change
        self._offset = wall() - monotonic()
        """Wall time minus monotonic time when the clock was last known to be right."""
        self._checked = 0
        self._refused = False

    def __call__(self) -> int:
        """The wall clock's time, in ms since the epoch.

        Raises:
            ClockUnreliable: the wall clock jumped by more than an hour since it was last confirmed.
        """
        now = self._wall()
        if not self._checked <= now < self._checked + _CHECK_MS:
            self._check(now)
        return now

    def confirm(self) -> None:
        """Accept the wall clock as it is now. An operator calls this after checking it."""
        self._offset = self._wall() - self._monotonic()
        self._accept()

    def _check(self, now: int) -> None:
        expected = self._monotonic() + self._offset
        if abs(now - expected) <= JUMP_MS_MAX:
            self._checked = now
            self._accept()
            return
        self._checked = 0
        reason = (
            f"the system clock jumped: it shows {_readable(now)}, which is {_distance(now - expected)} the expected"
            f" {_readable(expected)}; no message gets a time until the clock is right again, or until an operator"
            " confirms it with SIGHUP to mostao serve or mostao proxy, or restarts it with --accept-clock"
        )
        if not self._refused:
            self._refused = True
            self._notify(reason)
        raise ClockUnreliable(reason)

    def _accept(self) -> None:
        if self._refused:
            self._refused = False
            self._notify(None)

    def _notify(self, reason: str | None) -> None:
        if self.on_change is not None:
            self.on_change(reason)


def system_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def guarded_system_clock() -> ClockGuard:
    """The system clock, checked against a clock that no one can set."""
    return ClockGuard(system_clock, lambda: time.clock_gettime_ns(_ELAPSED_CLOCK) // 1_000_000)


def check_not_behind(now: int, last: int, location: str) -> None:
    """Check the clock of a node that opens a log.

    Args:
        now: the clock's time, in ms since the epoch.
        last: the time of the log's last event.
        location: names the log.

    Raises:
        ClockUnreliable: the clock is more than an hour behind the log.
    """
    if last - now > JUMP_MS_MAX:
        raise ClockUnreliable(
            f"the system clock shows {_readable(now)}, but the last event of {location} is of {_readable(last)}:"
            " set the clock; or, if the clock is right and was ahead before, open the log with --accept-clock"
            " (Node.open: accept_clock=True), and all events get that time until the clock has passed it"
        )


def _readable(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # years that the calendar does not have
        return f"{ms:,} ms since 1970"


def _distance(ms: int) -> str:
    try:
        length = str(timedelta(seconds=abs(ms) // 1000))
    except OverflowError:
        length = f"{abs(ms):,} ms"
    return f"{length} {'after' if ms > 0 else 'before'}"
