"""Verification of both hash chains, and of the column types, of every row. It evaluates no message."""

from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

from eventstore.commit_log import CommitLog
from eventstore.errors import LogDamaged, LogFault
from eventstore.merkle.tiles import TreeBuilder
from eventstore.records import Assignment, canonical_bytes, decode_id, malformed
from eventstore.sequencer import GENESIS_CHAIN

RowCheck = Callable[[Assignment], LogFault | None]
"""A further check of one row, which needs only that row."""


class ChainReport(msgspec.Struct):
    """The result of ``check_chains``."""

    checked: int = 0
    """Rows that passed the extra check."""
    nodes: list[bytes] = msgspec.field(default_factory=list)
    """Hashes of level 1 of the Merkle tree: one for each 256 rows."""
    faults: list[LogFault] = msgspec.field(default_factory=list)


def check_chains(
    log: CommitLog,
    *,
    until: int,
    extra_check: RowCheck | None = None,
    all_faults: bool = False,
    progress: Callable[[int], object],
) -> ChainReport:
    """Verify both chains of every row, compute the Merkle tree over the rows, and run a further check on external rows.

    Args:
        log: the log.
        until: the last sequence.
        extra_check: called with each row that has an envelope and correct chains.
        all_faults: continue after the first fault.
        progress: called with the sequence of each checked row.
    """
    report = ChainReport()
    try:
        _check(log.read(until=until), report, extra_check, all_faults, progress)
    except LogDamaged as damage:
        report.faults.append(damage.fault)
    return report


def _check(
    assignments: Iterable[Assignment],
    report: ChainReport,
    extra_check: RowCheck | None,
    all_faults: bool,
    progress: Callable[[int], object],
) -> None:
    tree, chains = TreeBuilder(), _Chains()
    for assignment in assignments:
        try:
            faults = _row_faults(assignment, chains)
        except LogFault as malformed_row:  # the chains after a malformed row cannot be computed
            report.faults.append(malformed_row.detached())
            break
        report.nodes += [node.hash for node in tree.append(assignment.log_chain) if node.level == 1]
        if extra_check is not None and assignment.message.envelope is not None and not faults:
            fault = extra_check(assignment)
            if fault is None:
                report.checked += 1
            else:
                faults.append(fault)
        report.faults += faults
        if faults and not all_faults:
            break
        progress(assignment.sequence)


def _row_faults(assignment: Assignment, chains: "_Chains") -> list[LogFault]:
    """The faults in a row's chains.

    Raises:
        LogFault: the row's columns have other types than a node writes.
    """
    error = ""
    try:
        expected = chains.advance(assignment)
        if expected == (assignment.process_chain, assignment.log_chain):
            return []
    except (TypeError, ValueError) as wrong_type:
        error = str(wrong_type)
    error = malformed(assignment) or error
    if error:
        raise LogFault.of_malformed_row(assignment, error)
    found = (assignment.process_chain, assignment.log_chain)
    return [
        LogFault.at(assignment, what, expected_chain.hex(), found_chain.hex())
        for what, expected_chain, found_chain in zip(("process chain", "log chain"), expected, found, strict=True)
        if expected_chain != found_chain
    ]


class _Chains:
    """Computes each row's chains from the rows before it."""

    def __init__(self) -> None:
        self._log_chain = GENESIS_CHAIN
        self._heads: dict[str, tuple[bytes, bytes]] = {}
        """Of each process: the id of its last assignment, and the process chain there."""

    def advance(self, assignment: Assignment) -> tuple[bytes, bytes]:
        """The correct process chain and log chain of the next row.

        The rows after it are verified against the chains in this row, not the correct ones, so that one fault does not
        make every later row faulty.
        """
        process, message = assignment.process, assignment.message
        head = self._heads.get(process)
        process_chain = sha256(decode_id(process) if head is None else head[0] + head[1]).digest()
        record = (assignment.sequence, assignment.slot, assignment.timestamp, process_chain, self._log_chain, message)
        log_chain = sha256(canonical_bytes(record)).digest()
        self._log_chain = assignment.log_chain
        self._heads[process] = (assignment.log_chain, assignment.process_chain)
        return process_chain, log_chain
