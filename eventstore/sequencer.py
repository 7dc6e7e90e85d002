"""The sequencer: the only code that defines and checks order and time."""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message, canonical_bytes, decode_id

GENESIS_CHAIN = bytes(32)
"""The log chain of an empty log."""


class ProcessHead(msgspec.Struct, gc=False):
    """The end of one process's history."""

    slot: int
    chain: bytes
    assignment_id: bytes


class Sequencer:
    """Assigns each message a sequence, a slot, a timestamp and its links in two hash chains.

    Log chain: ``chain(n) = SHA-256(canonical bytes of assignment n)``. These bytes include ``chain(n-1)``; ``chain(0)``
    is 32 zero bytes. The chain commits to the assignment and to everything before it, so it is the assignment's id.

    Process chain, as in AO's scheduler: ``chain(n) = SHA-256(id of assignment n-1 ‖ chain(n-1))`` within one process;
    ``chain(0)`` is ``SHA-256(process id)``.

    Attributes:
        sequence: of the last assignment; 0 at the beginning of a log.
        timestamp: of the last assignment.
        log_chain: of the last assignment.
        processes: the heads of the processes that are in memory, by process id. ``head`` also loads the others.
    """

    def __init__(self, load_head: Callable[[str, int], ProcessHead | None] | None = None) -> None:
        """Start at the beginning of a log.

        Args:
            load_head: returns the head of a process, up to a sequence, that is not in memory. Without it, the heads of
                all processes are in memory.
        """
        self.sequence = 0
        self.timestamp = 0
        self.log_chain = GENESIS_CHAIN
        self.processes: dict[str, ProcessHead] = {}
        self._load_head = load_head

    def start_after(self, assignment: Assignment) -> None:
        """Continue after an assignment of a log. ``load_head`` provides the heads of the processes there."""
        self.sequence, self.timestamp = assignment.sequence, assignment.timestamp
        self.log_chain = assignment.log_chain

    def head(self, process: str) -> ProcessHead | None:
        """The head of a process; None if the process has not started."""
        head = self.processes.get(process)
        if head is None and self._load_head is not None:
            head = self._load_head(process, self.sequence)
            if head is not None:
                self.processes[process] = head
        return head

    def assign(self, message: Message, now_ms: int) -> Assignment:
        """Append a message to the order. The timestamp never decreases, even if the clock does.

        Args:
            message: the message.
            now_ms: the clock's time, in milliseconds since the epoch.
        """
        if now_ms > self.timestamp:
            self.timestamp = now_ms
        head = self._link(message)
        return Assignment(self.sequence, head.slot, self.timestamp, message, head.chain, self.log_chain)

    def verify_next(self, assignment: Assignment) -> None:
        """Check that an assignment is the next one, and advance past it.

        Raises:
            LogFault: its sequence, slot, timestamp or one of its chains does not follow from the assignments before.
        """
        if assignment.sequence != self.sequence + 1 or assignment.timestamp < self.timestamp:
            self._check_order(assignment)
        self.timestamp = assignment.timestamp
        head = self._link(assignment.message)
        if assignment.slot != head.slot:
            raise LogFault.at(assignment, "slot", head.slot, assignment.slot)
        if assignment.process_chain != head.chain:
            raise LogFault.at(assignment, "process chain", head.chain.hex(), assignment.process_chain.hex())
        if assignment.log_chain != self.log_chain:
            raise LogFault.at(assignment, "log chain", self.log_chain.hex(), assignment.log_chain.hex())

    def verify_next_order(self, assignment: Assignment) -> None:
        """Like ``verify_next``, but trust the chains: the caller checks them separately.

        Raises:
            LogFault: its sequence, slot or timestamp does not follow from the assignments before.
        """
        process, slot = assignment.message.target, assignment.slot
        head = self.processes.get(process) or self.head(process)
        expected_slot = 0 if head is None else head.slot + 1
        if assignment.sequence != self.sequence + 1 or assignment.timestamp < self.timestamp or slot != expected_slot:
            self._check_order(assignment)
            raise LogFault.at(assignment, "slot", expected_slot, slot)
        self.sequence, self.timestamp = assignment.sequence, assignment.timestamp
        self.log_chain = chain = assignment.log_chain
        if head is None:
            self.processes[process] = ProcessHead(slot, assignment.process_chain, chain)
        else:
            head.slot, head.chain, head.assignment_id = slot, assignment.process_chain, chain

    def force(self, assignment: Assignment) -> None:
        """Advance past an assignment without checks."""
        self.sequence = assignment.sequence
        self.timestamp = assignment.timestamp
        self.log_chain = assignment.log_chain
        head = ProcessHead(assignment.slot, assignment.process_chain, assignment.log_chain)
        self.processes[assignment.message.target] = head

    def _check_order(self, assignment: Assignment) -> None:
        if assignment.sequence != self.sequence + 1:
            raise LogFault.at(assignment, "sequence", self.sequence + 1, assignment.sequence)
        if assignment.timestamp < self.timestamp:
            raise LogFault.at(assignment, "timestamp goes back", f">= {self.timestamp}", assignment.timestamp)

    def _link(self, message: Message) -> ProcessHead:
        process = message.target
        head = self.processes.get(process) or self.head(process)
        if head is None:
            head = self.processes[process] = ProcessHead(-1, b"", b"")
            chain = sha256(decode_id(process)).digest()
        else:
            chain = sha256(head.assignment_id + head.chain).digest()
        sequence = self.sequence = self.sequence + 1
        slot = head.slot = head.slot + 1
        head.chain = chain
        record = canonical_bytes((sequence, slot, self.timestamp, chain, self.log_chain, message))
        self.log_chain = head.assignment_id = sha256(record).digest()
        return head
