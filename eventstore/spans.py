"""Parts of a log that are checked apart from one another, each by whoever has a core for it.

Every row's chains follow from the row before it and from the row before it in its process, which the log holds: so
hashes need no pass over the whole log. What does, the order of rows and their evaluation, is checked elsewhere.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import msgspec

from eventstore.errors import LogFault
from eventstore.log import EventLog
from eventstore.records import Assignment, canonical_bytes, decode_id, malformed
from eventstore.sequencer import GENESIS_CHAIN
from eventstore.tree import FAN, TreeBuilder

SPAN_EVENTS_MAX = 16_384
"""Rows after which a check says how far it is."""

Check = Callable[[Assignment], LogFault | None]
"""A further check of a row, which needs nothing but the row."""


class Verdict(msgspec.Struct):
    """What the check of a span came to."""

    start: int
    """The span's rows have sequences after this …"""
    stop: int
    """… up to this."""
    checked: int = 0
    """Rows that had something to check further, and passed."""
    nodes: list[bytes] = msgspec.field(default_factory=list)
    """Hashes of the Merkle tree over each 256 of its rows."""
    faults: list[tuple[str, int, str, str, str]] = msgspec.field(default_factory=list)
    """What, sequence, process, expected, found."""

    def add(self, fault: LogFault) -> None:
        """Keep a fault in a form that travels."""
        self.faults.append((fault.what, fault.sequence, fault.process, str(fault.expected), str(fault.found)))

    def as_faults(self) -> list[LogFault]:
        """The faults as they were found."""
        return [
            LogFault(what, sequence=sequence, process=process, expected=expected, found=found)
            for what, sequence, process, expected, found in self.faults
        ]


def spans(events: int, worker: int, workers: int) -> Iterator[tuple[int, int]]:
    """One worker's spans of a log of so many events. They follow one another, so that what they look up beside their
    own rows is looked up once.
    """
    share = -(-events // (workers * FAN)) * FAN
    end = min(share * (worker + 1), events)
    for start in range(share * worker, end, SPAN_EVENTS_MAX):
        yield start, min(start + SPAN_EVENTS_MAX, end)


class SpanCheck:
    """Checks both chains of the rows of spans that follow one another, hashes their parts of the tree, and checks each
    row from outside further.

    Args:
        log: where the rows are, and those before them.
        further: is given each row that has an envelope.
        all_faults: go on after a span's first fault.
    """

    def __init__(self, log: EventLog, *, further: Check | None = None, all_faults: bool) -> None:
        self._log = log
        self._further = further
        self._all_faults = all_faults
        self._links: _Links | None = None

    def check(self, start: int, stop: int) -> Verdict:
        """Check the rows after a sequence, a multiple of 256, up to another. Each span begins where the one before
        ended.
        """
        if self._links is None:
            self._links = _Links(self._log, start)
        verdict, tree = Verdict(start, stop), TreeBuilder()
        for assignment in self._log.read(after=start, until=stop):
            try:
                faults = _row_faults(assignment, self._links)
            except LogFault as malformed_row:  # nothing behind it can be judged
                verdict.add(malformed_row)
                break
            verdict.nodes += [node.hash for node in tree.append(assignment.log_chain) if node.level == 1]
            if self._further is not None and assignment.message.envelope is not None and not faults:
                fault = self._further(assignment)
                if fault is None:
                    verdict.checked += 1
                else:
                    faults.append(fault)
            for fault in faults:
                verdict.add(fault)
            if faults and not self._all_faults:
                break
        return verdict


def _row_faults(assignment: Assignment, links: "_Links") -> list[LogFault]:
    """Where a row's chains are not what they have to be.

    Raises:
        LogFault: the row's columns are of other types than a node writes.
    """
    error = ""
    try:
        chains = links.follow(assignment)
        if chains == (assignment.process_chain, assignment.log_chain):
            return []
    except (TypeError, ValueError) as wrong:
        error = str(wrong)
    error = malformed(assignment) or error
    if error:
        raise LogFault.of_types(assignment, error)
    found = (assignment.process_chain, assignment.log_chain)
    return [
        LogFault.at(assignment, what, due.hex(), shown.hex())
        for what, due, shown in zip(("process chain", "log chain"), chains, found, strict=True)
        if due != shown
    ]


class _Links:
    """What each row's chains follow from."""

    def __init__(self, log: EventLog, start: int) -> None:
        self._log = log
        before = next(log.read(after=start - 1, until=start), None) if start else None
        self._log_chain = GENESIS_CHAIN if before is None else before.log_chain
        self._heads: dict[str, tuple[bytes, bytes]] = {}
        """Id of the last assignment of a process, and its chain there."""

    def follow(self, assignment: Assignment) -> tuple[bytes, bytes]:
        """The chains that a row has to have; the next rows are held against the ones that it has."""
        process, message = assignment.process, assignment.message
        head = self._heads.get(process)
        if head is None and assignment.slot:
            before = next(self._log.read_process(process, from_slot=assignment.slot - 1, limit=1), None)
            if before is None or before.slot != assignment.slot - 1:
                raise ValueError(f"slot {assignment.slot} of a process without the one before")
            head = (before.log_chain, before.process_chain)
        chain = sha256(decode_id(process) if head is None else head[0] + head[1]).digest()
        place = (assignment.sequence, assignment.slot, assignment.timestamp, chain, self._log_chain, message)
        log_chain = sha256(canonical_bytes(place)).digest()
        self._log_chain = assignment.log_chain
        self._heads[process] = (assignment.log_chain, assignment.process_chain)
        return chain, log_chain
