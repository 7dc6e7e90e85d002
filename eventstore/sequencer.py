"""The only place where order and time are made, and the only place where they are checked."""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message, canonical_bytes, decode_id

GENESIS_CHAIN = bytes(32)
"""What the log's chain starts from."""


class ProcessHead(msgspec.Struct, gc=False):
    """The end of one process's history."""

    slot: int
    chain: bytes
    assignment_id: bytes


class Sequencer:
    """Gives each message its sequence, slot, timestamp and place in the two hash chains.

    Log chain: ``chain(n) = SHA-256(canonical bytes of assignment n)``, which hold ``chain(n-1)``, from 32 zero bytes.
    It names an assignment with everything before it, and so is the assignment's id.
    Process chain, as AO's scheduler keeps it: ``chain(n) = SHA-256(id of assignment n-1 ‖ chain(n-1))`` within the
    process, from ``SHA-256(process id)``.
    """

    def __init__(self, recall: Callable[[str, int], ProcessHead | None] | None = None) -> None:
        """Stand at the beginning of a log.

        Args:
            recall: gives the head, up to a sequence, of a process that is not kept here. Without, all of them are.
        """
        self.sequence = 0
        self.timestamp = 0
        self.log_chain = GENESIS_CHAIN
        self.processes: dict[str, ProcessHead] = {}
        self._recall = recall

    def start_after(self, assignment: Assignment) -> None:
        """Stand behind an assignment of a log; where histories end there is recalled."""
        self.sequence, self.timestamp = assignment.sequence, assignment.timestamp
        self.log_chain = assignment.log_chain

    def head(self, process: str) -> ProcessHead | None:
        """The end of a process's history; None for one that was not started."""
        head = self.processes.get(process)
        if head is None and self._recall is not None:
            head = self._recall(process, self.sequence)
            if head is not None:
                self.processes[process] = head
        return head

    def assign(self, message: Message, now_ms: int) -> Assignment:
        """Put a message at the end of the log. Time never goes back, whatever the clock says."""
        if now_ms > self.timestamp:
            self.timestamp = now_ms
        head = self._link(message)
        return Assignment(self.sequence, head.slot, self.timestamp, message, head.chain, self.log_chain)

    def verify_next(self, assignment: Assignment) -> None:
        """Follow an assignment that was read, checking that it is the one that has to come next.

        Raises:
            LogFault: its sequence, slot, timestamp or one of its chains is not what the log so far demands.
        """
        if assignment.sequence != self.sequence + 1 or assignment.timestamp < self.timestamp:
            self._accept_place(assignment)
        self.timestamp = assignment.timestamp
        head = self._link(assignment.message)
        if assignment.slot != head.slot:
            raise LogFault.at(assignment, "slot", head.slot, assignment.slot)
        if assignment.process_chain != head.chain:
            raise LogFault.at(assignment, "process chain", head.chain.hex(), assignment.process_chain.hex())
        if assignment.log_chain != self.log_chain:
            raise LogFault.at(assignment, "log chain", self.log_chain.hex(), assignment.log_chain.hex())

    def verify_next_order(self, assignment: Assignment) -> None:
        """Like ``accept``, but for the chains, which somebody else checks.

        Raises:
            LogFault: its sequence, slot or timestamp is not what the log so far demands.
        """
        process, slot = assignment.message.target, assignment.slot
        head = self.processes.get(process) or self.head(process)
        due = 0 if head is None else head.slot + 1
        if assignment.sequence != self.sequence + 1 or assignment.timestamp < self.timestamp or slot != due:
            self._accept_place(assignment)
            raise LogFault.at(assignment, "slot", due, slot)
        self.sequence, self.timestamp = assignment.sequence, assignment.timestamp
        self.log_chain = chain = assignment.log_chain
        if head is None:
            self.processes[process] = ProcessHead(slot, assignment.process_chain, chain)
        else:
            head.slot, head.chain, head.assignment_id = slot, assignment.process_chain, chain

    def force(self, assignment: Assignment) -> None:
        """Follow an assignment as it is."""
        self.sequence = assignment.sequence
        self.timestamp = assignment.timestamp
        self.log_chain = assignment.log_chain
        head = ProcessHead(assignment.slot, assignment.process_chain, assignment.log_chain)
        self.processes[assignment.message.target] = head

    def _accept_place(self, assignment: Assignment) -> None:
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
