"""A process's history as AO's scheduler tells it: signed assignments, and a hash chain over them.

The node signs them when somebody asks. Ed25519 signatures are deterministic, so an assignment is the same item whenever
that is; and the log, which has chains of its own, need not wait for them.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from actors.ans104.item import item_id
from actors.ans104.signer import Signer
from actors.ao.hash_chain import chain_after, chain_at_start
from actors.ao.pushed_messages import item_of
from eventstore import Assignment, LogFile
from eventstore.records import encode_id

EPOCH = "0"
KEPT_EVERY = 256
"""A link of a chain is remembered every so many slots, so that a page in the middle needs only few before it."""
PROCESSES_MAX = 4096
"""Processes whose links are remembered."""


class Scheduled(NamedTuple):
    """A message in its process's history."""

    row: Assignment
    hash_chain: str
    """base64url."""
    assignment: bytes
    """A data item that the node signed."""
    message: bytes
    """A data item that its sender signed, or the node for a process."""


class _Link(NamedTuple):
    """What the assignment of a slot needs of those before."""

    slot: int
    chain: bytes


class Scheduler:
    """Signs assignments with a node's key."""

    def __init__(self, key: Signer) -> None:
        self._key = key
        self._links: OrderedDict[str, list[_Link]] = OrderedDict()
        self._lock = Lock()

    def page(self, log: LogFile, process: str, *, from_slot: int, limit: int) -> list[Scheduled]:
        """So many messages of a process, from a slot on."""
        return [
            Scheduled(row, encode_id(chain), assignment, item_of(log, row, self._key))
            for row, chain, assignment in self._assignments(log, process, from_slot=from_slot, limit=limit)
        ]

    def following(self) -> "Following":
        """Signs a history from its beginning, row by row."""
        return Following(self._sign)

    def _assignments(
        self, log: LogFile, process: str, *, from_slot: int, limit: int
    ) -> list[tuple[Assignment, bytes, bytes]]:
        with self._lock:
            links = self._links.setdefault(process, [_Link(0, chain_at_start(process))])
            self._links.move_to_end(process)
            if len(self._links) > PROCESSES_MAX:
                self._links.popitem(last=False)
        slot, chain = links[min(from_slot // KEPT_EVERY, len(links) - 1)]
        found = []
        for row in log.read_process(process, from_slot=slot, limit=from_slot + limit - slot):
            with self._lock:
                if row.slot == len(links) * KEPT_EVERY:
                    links.append(_Link(row.slot, chain))
            assignment = self._sign(row, chain)
            if row.slot >= from_slot:
                found.append((row, chain, assignment))
            chain = chain_after(item_id(assignment), chain)
        return found

    def _sign(self, row: Assignment, chain: bytes) -> bytes:
        return self._key.sign(
            tags=[
                ("Data-Protocol", "ao"),
                ("Variant", "ao.TN.1"),
                ("Type", "Assignment"),
                ("Process", row.process),
                ("Epoch", EPOCH),
                ("Nonce", str(row.slot)),
                ("Hash-Chain", encode_id(chain)),
                ("Block-Height", str(row.sequence)),
                ("Timestamp", str(row.timestamp)),
                ("Message", row.message.id),
            ]
        )


class Following:
    """Signs the assignments of any number of processes, each from its beginning, in order."""

    def __init__(self, sign: Callable[[Assignment, bytes], bytes]) -> None:
        self._sign = sign
        self._chains: dict[str, bytes] = {}

    def assignment(self, row: Assignment) -> bytes:
        """The signed assignment of the next message of its process."""
        chain = self._chains.get(row.process) or chain_at_start(row.process)
        signed = self._sign(row, chain)
        self._chains[row.process] = chain_after(item_id(signed), chain)
        return signed
