"""What a log's rows say of one another and of themselves, held against them row by row, without evaluating any."""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from eventstore.commit_log import CommitLog
from eventstore.errors import LogFault
from eventstore.merkle.tiles import TreeBuilder
from eventstore.records import Assignment, canonical_bytes, decode_id, malformed
from eventstore.sequencer import GENESIS_CHAIN

Check = Callable[[Assignment], LogFault | None]
"""A further check of a row, which needs nothing but the row."""


class Verdict(msgspec.Struct):
    """What the check came to."""

    checked: int = 0
    """Rows that had something to check further, and passed."""
    nodes: list[bytes] = msgspec.field(default_factory=list)
    """Hashes of the Merkle tree over each 256 rows."""
    faults: list[LogFault] = msgspec.field(default_factory=list)


def check_chains(
    log: CommitLog,
    *,
    until: int,
    further: Check | None = None,
    all_faults: bool = False,
    progress: Callable[[int], object],
) -> Verdict:
    """Check both chains of every row, hash the tree over them, and check each row from outside further.

    Args:
        log: where the rows are.
        until: the last sequence.
        further: is given each row that has an envelope.
        all_faults: go on after the first fault.
        progress: called with the sequence of each row that is checked.
    """
    verdict, tree, links = Verdict(), TreeBuilder(), _Links()
    for assignment in log.read(until=until):
        try:
            faults = _row_faults(assignment, links)
        except LogFault as malformed_row:  # nothing behind it can be judged
            verdict.faults.append(malformed_row)
            break
        verdict.nodes += [node.hash for node in tree.append(assignment.log_chain) if node.level == 1]
        if further is not None and assignment.message.envelope is not None and not faults:
            fault = further(assignment)
            if fault is None:
                verdict.checked += 1
            else:
                faults.append(fault)
        verdict.faults += faults
        if faults and not all_faults:
            break
        progress(assignment.sequence)
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

    def __init__(self) -> None:
        self._log_chain = GENESIS_CHAIN
        self._heads: dict[str, tuple[bytes, bytes]] = {}
        """Id of the last assignment of a process, and its chain there."""

    def follow(self, assignment: Assignment) -> tuple[bytes, bytes]:
        """The chains that a row has to have; the next rows are held against the ones that it has."""
        process, message = assignment.process, assignment.message
        head = self._heads.get(process)
        chain = sha256(decode_id(process) if head is None else head[0] + head[1]).digest()
        place = (assignment.sequence, assignment.slot, assignment.timestamp, chain, self._log_chain, message)
        log_chain = sha256(canonical_bytes(place)).digest()
        self._log_chain = assignment.log_chain
        self._heads[process] = (assignment.log_chain, assignment.process_chain)
        return chain, log_chain
