"""Faults between a person and the node."""

from random import Random
from typing import Annotated

from msgspec import Meta

from simulations.faults.fault import NetworkFault, Probability


class Drop(NetworkFault, frozen=True):
    """Loses requests."""

    drop: Annotated[
        Probability, Meta(description="fraction of messages that do not reach the node and are sent again")
    ] = 0.0

    def loses_request(self, random: Random) -> bool:
        """Lose this fraction of the requests."""
        return random.random() < self.drop


class LoseReply(NetworkFault, frozen=True):
    """Loses replies."""

    lose_answer: Annotated[
        Probability, Meta(description="fraction of replies that do not reach the sender, who resends the message")
    ] = 0.0

    def loses_reply(self, random: Random) -> bool:
        """Lose this fraction of the replies."""
        return random.random() < self.lose_answer


class Duplicate(NetworkFault, frozen=True):
    """Duplicates requests."""

    duplicate: Annotated[Probability, Meta(description="fraction of messages that arrive twice at the same time")] = 0.0

    def extra_copies(self, random: Random) -> int:
        """Add a copy to this fraction of the requests."""
        return 1 if random.random() < self.duplicate else 0


class Delay(NetworkFault, frozen=True):
    """Delays requests."""

    delay: Annotated[Probability, Meta(description="fraction of messages that arrive late")] = 0.0
    delay_s: Annotated[float, Meta(ge=0, le=3600, description="longest delay in seconds")] = 60.0

    def delay_ms(self, random: Random) -> int:
        """Delay this fraction of the requests, each for a random time."""
        return round(random.random() * self.delay_s * 1000) if random.random() < self.delay else 0


class Reorder(NetworkFault, frozen=True):
    """Reorders requests."""

    reorder: Annotated[
        Probability, Meta(description="fraction of messages that arrive before another person's earlier message")
    ] = 0.0

    def overtakes(self, random: Random) -> bool:
        """Swap this fraction of the requests with the one before."""
        return random.random() < self.reorder
