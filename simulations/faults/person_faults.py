"""Faults of people's devices."""

from random import Random
from typing import Annotated

from msgspec import Meta

from simulations.faults.fault import HOUR_S, PersonFault, Probability


class WrongClock(PersonFault, frozen=True):
    """Gives people a wrong clock."""

    wrong_clock: Annotated[Probability, Meta(description="fraction of people whose clock is wrong")] = 0.0
    wrong_clock_h: Annotated[float, Meta(ge=0, le=24, description="largest error in hours, in either direction")] = 3.0

    def clock_shift_s(self, random: Random) -> int:
        """Shift the clocks of this fraction of the people, each by a random time."""
        if random.random() < self.wrong_clock:
            return round(random.uniform(-self.wrong_clock_h, self.wrong_clock_h) * HOUR_S)
        return 0
