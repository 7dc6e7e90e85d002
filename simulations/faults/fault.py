"""Base classes of faults: a fault declares its settings as fields, and overrides the hooks of the place where it acts.

A field's name is its name in a scenario file and on the command line (``--fault NAME=VALUE``). Its type states the
bounds, and its description is the help text. A default value means that the fault never occurs.

Hooks draw random numbers only from the ``random`` that they get. A new fault must not draw while it has its default
value: otherwise existing seeds would give other logs.
"""

from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta

Probability = Annotated[float, Meta(ge=0, le=1)]
HourOfDay = Annotated[float, Meta(ge=0, le=24)]

HOUR_S = 3600


class Fault(msgspec.Struct, frozen=True):
    """One kind of fault with its settings."""


class NetworkFault(Fault, frozen=True):
    """A fault between a person and the node. Every attempt to send calls the hooks in the order of this class."""

    def delay_ms(self, random: Random) -> int:
        """Virtual time before the attempt starts."""
        return 0

    def loses_request(self, random: Random) -> bool:
        """Whether the request does not arrive."""
        return False

    def extra_copies(self, random: Random) -> int:
        """How many more copies of the request arrive at the same time."""
        return 0

    def overtakes(self, random: Random) -> bool:
        """Whether the request arrives before the one that was sent just before it."""
        return False

    def loses_reply(self, random: Random) -> bool:
        """Whether the reply does not arrive, so that the person sends again."""
        return False


class NodeFault(Fault, frozen=True):
    """A fault of the node or of its disk."""

    def crashes_after(self) -> tuple[int, ...]:
        """Sequences after which the node crashes: later events do not become durable."""
        return ()

    def crash_times_s(self) -> tuple[int, ...]:
        """Times at which the node crashes, in seconds into the day."""
        return ()

    def commit_delay_ms(self) -> float:
        """Real time by which every commit takes longer."""
        return 0.0

    def live_max(self) -> int:
        """Processes that the node keeps in memory; 0 for its usual number."""
        return 0

    def torn_write_share(self) -> float:
        """Share of the unsynced sectors that a crash loses."""
        return 0.0

    def lost_fsync_share(self) -> float:
        """Share of the syncs that the drive reports and does not do."""
        return 0.0

    def bit_rot_share(self) -> float:
        """Share of the crashes during which one bit of a file flips."""
        return 0.0


class PersonFault(Fault, frozen=True):
    """A fault of a person's device."""

    def clock_shift_s(self, random: Random) -> int:
        """Seconds by which the person's clock is wrong. Called once per person."""
        return 0
