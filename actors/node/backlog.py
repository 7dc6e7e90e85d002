"""The backlog: how many external messages are accepted and not yet assigned, in all and for each process."""

from collections import Counter

from actors.node.limits import Limits


class Overloaded(Exception):
    """The node has too many waiting messages. It did nothing; the sender may retry."""


class Backlog:
    """Counts places. Ingress reserves one before it parses an item, so that refusing an item costs little."""

    def __init__(self, limits: Limits) -> None:
        self._max, self._per_process_max = limits.waiting_max, limits.waiting_per_process_max
        self.size = 0
        """Places that are taken: items that are being verified, and items in the fair queue."""
        self.of_mailbox: Counter[bytes] = Counter()
        """The same, by process. Processes without items have no entry."""

    def check_room(self) -> None:
        """Check that one more item fits.

        Raises:
            Overloaded: it does not.
        """
        if self.size >= self._max:
            raise Overloaded(f"overloaded: {self._max:,} messages wait to be taken; try again")

    def reserve(self, mailbox: bytes) -> None:
        """Take a place.

        Raises:
            Overloaded: the backlog, or the process's part of it, is full.
        """
        self.check_room()
        if self.of_mailbox[mailbox] >= self._per_process_max:
            raise Overloaded(f"overloaded: {self._per_process_max:,} messages wait for this process; try again")
        self.size += 1
        self.of_mailbox[mailbox] += 1

    def release(self, mailbox: bytes) -> None:
        """Return a place."""
        self.size -= 1
        left = self.of_mailbox[mailbox] - 1
        if left:
            self.of_mailbox[mailbox] = left
        else:
            self.of_mailbox.pop(mailbox)

    @property
    def deepest(self) -> int:
        """The places of the process that has most."""
        return max(self.of_mailbox.values(), default=0)
