"""A process's history in the format of AO's scheduler: signed assignments with a hash chain.

The node signs assignments on request. Ed25519 signatures are deterministic, so an assignment is the same item each
time. The log has its own chains, so appending does not wait for these signatures.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
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
"""The scheduler caches a chain link every this many slots, so that a page needs few assignments before it."""
PROCESSES_MAX = 4096
"""Maximum number of processes with cached links."""


class Scheduled(NamedTuple):
    """A message in the history of its process."""

    row: Assignment
    hash_chain: str
    """Hash chain of the assignment, in base64url."""
    assignment: bytes
    """The assignment: a data item signed by the node."""
    message: bytes
    """The message: a data item signed by its sender, or by the node if a process sent it."""


class _Link(NamedTuple):
    """The hash chain of the assignment of a slot."""

    slot: int
    chain: bytes


class Scheduler:
    """Signs assignments with the node's key."""

    def __init__(self, key: Signer) -> None:
        self._key = key
        self._links: OrderedDict[str, list[_Link]] = OrderedDict()
        self._lock = Lock()

    def page(self, log: LogFile, process: str, *, from_slot: int, limit: int) -> Iterator[Scheduled]:
        """A page of a process's history: at most ``limit`` messages, from a slot, read as they are taken."""
        for row, chain, assignment in self._assignments(log, process, from_slot=from_slot, limit=limit):
            yield Scheduled(row, encode_id(chain), assignment, item_of(log, row, self._key))

    def sequential(self) -> "SequentialSigner":
        """A signer for histories that are read from their beginning."""
        return SequentialSigner(self._sign)

    def _assignments(
        self, log: LogFile, process: str, *, from_slot: int, limit: int
    ) -> Iterator[tuple[Assignment, bytes, bytes]]:
        with self._lock:
            links = self._links.setdefault(process, [_Link(0, chain_at_start(process))])
            self._links.move_to_end(process)
            if len(self._links) > PROCESSES_MAX:
                self._links.popitem(last=False)
        slot, chain = links[min(from_slot // KEPT_EVERY, len(links) - 1)]
        for row in log.read_process(process, from_slot=slot, limit=from_slot + limit - slot):
            with self._lock:
                if row.slot == len(links) * KEPT_EVERY:
                    links.append(_Link(row.slot, chain))
            assignment = self._sign(row, chain)
            if row.slot >= from_slot:
                yield row, chain, assignment
            chain = chain_after(item_id(assignment), chain)

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


class SequentialSigner:
    """Signs the assignments of any number of processes, each from its first slot, in order."""

    def __init__(self, sign: Callable[[Assignment, bytes], bytes]) -> None:
        self._sign = sign
        self._chains: dict[str, bytes] = {}

    def assignment(self, row: Assignment) -> bytes:
        """The signed assignment of the next message of its process."""
        chain = self._chains.get(row.process) or chain_at_start(row.process)
        signed = self._sign(row, chain)
        self._chains[row.process] = chain_after(item_id(signed), chain)
        return signed
