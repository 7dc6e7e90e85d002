"""Limits of the bytes that a sender's items append to the log, and of the processes that they start.

An item of 400 bytes can append 256 KiB: its answer, and the answers to what it causes. So a sender is charged for what
its items really appended, after their evaluation, and its next items are refused while it is above its limit.
"""

import math
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import NamedTuple

from actors.ans104.item import DataItem
from actors.node.limits import Limits, PerPeriod
from actors.processes.messaging.relay import RelayMessage, relayed_message
from actors.processes.request_body import parser
from actors.protocol.messages import Refusal
from eventstore import Assignment

EVENT_BYTES = 512
"""Bytes of an event in the log besides its data, tags, envelope, answer and error: ids, hashes and indexes."""
ADDRESS_FACTOR = 20
"""An address may append and start this many times as much as one sender: many people may share it."""
_SPAWNING = frozenset(("Register", "EstablishSession", "CreateGroup"))
"""Actions that start processes. A handle relays one of them."""
_RELAY = "RelayMessage"
_parse_relayed = parser(RelayMessage)


class Charged(NamedTuple):
    """Who is charged for an item."""

    account: bytes = b""
    """The sender; by default the public key that signed the item."""
    address: str = ""
    """The network address from which the item came; empty if there is none."""


UNCHARGED = Charged()
"""No limit applies."""
charged: ContextVar[Charged] = ContextVar("charged", default=UNCHARGED)
"""Set it before ``Node.send`` where the signer is not the sender, as in a proxy that signs for its users."""


class AppendLimitReached(Exception):
    """A sender appended too much. The log is unchanged; the item may be sent again after ``retry_s`` seconds."""

    def __init__(self, text: str, retry_s: int) -> None:
        super().__init__(f"{text}; try again in {retry_s} s")
        self.retry_s = retry_s


class Budget:
    """Counts amounts of many keys against one limit in a moving window.

    The window is approximated by the counts of the present period and a share of those of the last one, so a key needs
    two numbers, and only keys that were active in these periods take memory.

    Args:
        limit: the limit of each key.
        clock: gives the time in seconds.
    """

    def __init__(self, limit: PerPeriod, clock: Callable[[], float]) -> None:
        self.limit, self._clock = limit, clock
        self._began = clock()
        self._present: dict[object, int] = {}
        self._last: dict[object, int] = {}

    def add(self, key: object, amount: int) -> None:
        """Count an amount."""
        self._elapsed()
        self._present[key] = self._present.get(key, 0) + amount

    def retry_s(self, key: object) -> int:
        """Seconds until a key is below its limit again; 0 if it is."""
        most = self.limit.amount
        if self._present.get(key, 0) + self._last.get(key, 0) < most:
            return 0  # nearly always; if a period is over, the counts are even lower
        elapsed, seconds = self._elapsed(), self.limit.seconds
        present, last = self._present.get(key, 0), self._last.get(key, 0)
        if present + last * (1 - elapsed / seconds) < most:
            return 0
        if present >= most:  # the present period has to become the last one, and a part of it to pass
            return math.ceil(seconds - elapsed + seconds * (1 - most / present)) + 1
        return math.ceil(seconds * (1 - (most - present) / last) - elapsed) + 1

    def _elapsed(self) -> float:
        """Seconds since the present period began. Begins the next period if it is over."""
        elapsed = self._clock() - self._began
        if elapsed >= self.limit.seconds:
            periods = int(elapsed // self.limit.seconds)
            self._last = self._present if periods == 1 else {}
            self._present = {}
            self._began += periods * self.limit.seconds
            elapsed -= periods * self.limit.seconds
        return elapsed


class _Reached(NamedTuple):
    """A limit that a sender or its address is above."""

    who: str
    limit: PerPeriod
    retry_s: int


class _Budgets:
    """The budgets of a sender and of its address.

    Args:
        limit: the limit of a sender.
        clock: gives the time in seconds.
    """

    def __init__(self, limit: PerPeriod, clock: Callable[[], float]) -> None:
        self._of_sender = Budget(limit, clock)
        self._of_address = Budget(PerPeriod(limit.amount * ADDRESS_FACTOR, limit.seconds), clock)

    def add(self, charge: Charged, amount: int) -> None:
        """Count an amount."""
        self._of_sender.add(charge.account, amount)
        if charge.address:
            self._of_address.add(charge.address, amount)

    def reached(self, charge: Charged) -> _Reached | None:
        """The limit that the sender or its address is above; None if neither is."""
        if retry_s := self._of_sender.retry_s(charge.account):
            return _Reached("one sender", self._of_sender.limit, retry_s)
        if charge.address and (retry_s := self._of_address.retry_s(charge.address)):
            return _Reached("one address", self._of_address.limit, retry_s)
        return None


class AppendLimits:
    """Charges senders for what their items append, and refuses senders that are above a limit.

    Args:
        limits: of the node.
        clock: gives the time in seconds.

    Attributes:
        own_key: public key of the node. What it signs in its own name is not charged, so that the limits for others do
            not stop the operator's own services.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.own_key = b""
        self._bytes, self._spawns = (
            None if limit is None else _Budgets(limit, clock) for limit in (limits.appended_max, limits.spawns_max)
        )

    @classmethod
    def of(cls, limits: Limits) -> "AppendLimits | None":
        """The limits of a node; None if it has none, so that its items need no check."""
        return None if limits.appended_max is None and limits.spawns_max is None else cls(limits, monotonic)

    def charge_of(self, item: DataItem) -> Charged:
        """Who is charged for an item that arrives now. Its signature need not be verified."""
        charge = charged.get()
        if charge.account:
            return charge
        key = item.public_key
        return UNCHARGED if key == self.own_key else Charged(key, charge.address)

    def check(self, charge: Charged, item: DataItem) -> None:
        """Refuse the item of a sender that is above a limit.

        Raises:
            AppendLimitReached: it is.
        """
        if charge is UNCHARGED:
            return
        if self._bytes is not None and (reached := self._bytes.reached(charge)):
            limit = reached.limit.text("bytes")
            raise AppendLimitReached(
                f"append limit: the messages of {reached.who} and all that they cause append at most {limit}",
                reached.retry_s,
            )
        if self._spawns is not None and (reached := self._spawns.reached(charge)) and _may_spawn(item):
            limit = reached.limit.text("processes")
            raise AppendLimitReached(f"spawn limit: {reached.who} starts at most {limit}", reached.retry_s)

    def count(self, charge: Charged, assignment: Assignment) -> None:
        """Charge a sender for an evaluated event that its item is or caused."""
        if charge is UNCHARGED:
            return
        if self._bytes is not None:
            self._bytes.add(charge, _event_bytes(assignment))
        if self._spawns is not None and not assignment.slot:
            self._spawns.add(charge, 1)


def _event_bytes(assignment: Assignment) -> int:
    message, error = assignment.message, assignment.error
    answer = _text_bytes(assignment.output) + (_text_bytes(error) if error is not None else 0)
    envelope = message.envelope
    sent = len(message.data) + _text_bytes(message.tags) + (len(envelope) if envelope is not None else 0)
    return EVENT_BYTES + sent + answer


def _text_bytes(text: str | None) -> int:
    if text is None:
        return 0
    return len(text) if text.isascii() else len(text.encode())


def _may_spawn(item: DataItem) -> bool:
    action = item.tag("Action")
    return item.starts_process or action in _SPAWNING or (action == _RELAY and _relays_a_spawn(item.data))


def _relays_a_spawn(data: bytes) -> bool:
    """Whether a handle that gets this data sends a message that starts a process. It is parsed as the handle does."""
    try:
        return relayed_message(_parse_relayed(data)).action in _SPAWNING
    except Refusal:
        return False
