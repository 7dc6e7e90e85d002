"""Messages from outside that wait for their turn, and how many may."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from time import monotonic

from actors.node.ingress import PendingItem

WAITING_MAX = 16_384
"""Messages from outside that are not assigned yet, of all processes."""
MAILBOX_MAX = 8_192
"""The same, of one process."""
COMMIT_QUEUE_MAX = 32_768
"""Events that are assigned and not durable yet; while there are more, nothing is assigned."""
FAIR_FROM = 4_096
"""While no more wait they go in the order in which they came; from there on the processes take turns, until nobody
waits. So a process that is flooded delays itself, and who is not in a crowd can rely on the order."""
ROUND = 512
"""Turns of a round …"""
TURNS_MAX = 16
"""… and those of one process beside others, so that one that is flooded does not get all that they leave for a moment.
A round also ends when nobody else is on the way."""
ALONE_S = 5.0
"""A process is alone when nobody else waits, nor had a turn for so many seconds."""
_TOO_MANY = f"overloaded: {WAITING_MAX:,} messages wait to be taken; try again"
_TOO_MANY_FOR_ONE = f"overloaded: {MAILBOX_MAX:,} messages wait for this process; try again"


class Overloaded(Exception):
    """More messages wait than the node takes. Nothing was done: try again."""


class FairQueue:
    """The queue in front of the log.

    A place in it is reserved before an item is read, so that refusing one that is too many costs next to nothing.
    """

    def __init__(self) -> None:
        self.reserved = 0
        """Messages that have a place: those that are being verified, and those that wait for their turn."""
        self._of_mailbox: Counter[bytes] = Counter()
        self._in_order: deque[PendingItem] = deque()
        self._in_turn: OrderedDict[bytes, deque[PendingItem]] = OrderedDict()
        self._resting: dict[bytes, deque[PendingItem]] = {}
        """Those who have had all their turns of this round."""
        self._taken: Counter[bytes] = Counter()
        self._turns = 0
        self._last = b""
        self._changed_s = 0.0
        """When it was last another process's turn than just before."""

    def check_room(self) -> None:
        """See whether there is a place for anybody.

        Raises:
            Overloaded: there is none.
        """
        if self.reserved >= WAITING_MAX:
            raise Overloaded(_TOO_MANY)

    def reserve(self, mailbox: bytes) -> None:
        """Take a place.

        Raises:
            Overloaded: there is none.
        """
        self.check_room()
        if self._of_mailbox[mailbox] >= MAILBOX_MAX:
            raise Overloaded(_TOO_MANY_FOR_ONE)
        self.reserved += 1
        self._of_mailbox[mailbox] += 1

    def release(self, mailbox: bytes) -> None:
        """Give a place back."""
        self.reserved -= 1
        left = self._of_mailbox[mailbox] - 1
        if left:
            self._of_mailbox[mailbox] = left
        else:
            self._of_mailbox.pop(mailbox)

    @property
    def deepest(self) -> int:
        """The same, of the process that most of them are for."""
        return max(self._of_mailbox.values(), default=0)

    def add(self, arrival: PendingItem) -> None:
        """Let a message that has a place wait for its turn."""
        if not self._in_turn and not self._resting and self.reserved <= FAIR_FROM:
            self._in_order.append(arrival)
            return
        for one in self._in_order:
            self._queue(one)
        self._in_order.clear()
        self._queue(arrival)

    def next(self) -> PendingItem | None:
        """The message whose turn it is; its place is free again. None if it is nobody's."""
        if self._in_order:
            arrival = self._in_order.popleft()
        elif self._in_turn:
            self._turns += 1
            if self._turns > ROUND:
                self.renew()
            mailbox, waiting = self._in_turn.popitem(last=False)
            arrival, now = waiting.popleft(), monotonic()
            if mailbox != self._last:
                self._last, self._changed_s = mailbox, now
            taken = self._taken[mailbox] = self._taken[mailbox] + 1
            if waiting:
                others = self.reserved - self._of_mailbox[mailbox]
                alone = not others and now - self._changed_s > ALONE_S
                (self._in_turn if taken < TURNS_MAX or alone else self._resting)[mailbox] = waiting
        else:
            return None
        self.release(arrival.mailbox)
        return arrival

    def renew(self) -> None:
        """Begin a new round, in which everybody may take as many turns again."""
        self._taken.clear()
        self._turns = 0
        if self._resting:
            self._in_turn.update(self._resting)
            self._resting.clear()

    def drain(self) -> Iterator[PendingItem]:
        """Everybody who waits, with their places given back."""
        while (arrival := self.next()) is not None or self._resting:
            if arrival is None:
                self.renew()
            else:
                yield arrival

    def _queue(self, arrival: PendingItem) -> None:
        queue = self._resting.get(arrival.mailbox)
        if queue is None:
            queue = self._in_turn.setdefault(arrival.mailbox, deque())
        queue.append(arrival)

    def __bool__(self) -> bool:
        return bool(self._in_order or self._in_turn or self._resting)
