"""The checks of an audit beside the replay: the first process, the index, the Merkle tree and the checkpoints."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from actors.audit.report import Audit
from actors.evidence.checkpoints import NoteInvalid, VerifierKey, is_signed_by_others, key_of
from actors.evidence.cosignatures import cosignatures_of
from actors.evidence.proofs import matching_checkpoint
from actors.evidence.statements import Statement, stronger_statement
from actors.processes import REGISTRIES
from actors.protocol.spawn import module_of
from eventstore import CommitLog, Evidence, LogFault, LogFile, LogUnusable, TreeNode, Unevaluable
from eventstore.merkle.tiles import FAN, nodes_over

LEVEL_MAX = 8
"""Highest level of a Merkle tree: a node of level 8 covers as many rows as a sequence can number."""


def first_process_faults(log: CommitLog) -> Iterator[LogFault]:
    """Yields a fault if the first row does not start a registry."""
    for first in log.read(until=1):
        try:
            module = module_of(first.message)
        except Unevaluable:
            return  # reported already
        if module not in REGISTRIES:
            yield LogFault.at(first, "the first process", REGISTRIES[-1], module)


def unindexed_faults(log: LogFile, events: int) -> Iterator[LogFault]:
    """The first row that a lookup misses, or finds under another key."""
    sequence = log.unindexed_row(events)
    if sequence is not None:
        for row in log.read(after=sequence - 1, until=sequence):
            yield LogFault.at(row, "what it is found by", "its id and its process's first message", "something else")


def index_entry_faults(log: Evidence) -> Iterator[LogFault]:
    """The first index entry that leads to another row, or is missing."""
    sequence = log.bad_index_entry()
    if sequence is not None:
        what = "what messages are found by"
        yield LogFault(what, sequence=sequence, process="(none)", expected="each id once, in its turn", found="another")


def tree_faults(log: LogFile, first_level: list[bytes], events: int) -> Iterator[LogFault]:
    """The first stored tree hash that differs from the assignments' hash."""
    expected_nodes = nodes_over(first_level)
    end = log.head().sequence  # a node that writes meanwhile adds hashes over rows that were not audited
    stored_nodes = [node for node in log.tree_nodes() if not events < _end_of(node) <= end]
    for expected, found in zip_longest(expected_nodes, stored_nodes):
        if expected != found:
            node = expected or found
            assert node is not None
            what = f"hash {node.number} of level {node.level} of the Merkle tree"
            yield LogFault(
                what,
                sequence=_end_of(node),
                process="(none)",
                expected=expected.hash.hex() if expected else None,
                found=found.hash.hex() if found and found.hash else None,
            )
            return


def _end_of(node: TreeNode) -> int:
    """Sequence of the last row under a node; 0 if no tree has such a node."""
    level, number = node.level, node.number
    if type(level) is type(number) is int and 0 <= level <= LEVEL_MAX and number >= 0:
        return int((number + 1) * FAN**level)
    return 0


def checkpoint_faults(
    log: LogFile, stored: Sequence[str], kept: Sequence[str], witness_keys: Sequence[VerifierKey], report: Audit
) -> Iterator[LogFault]:
    """Yields a fault for each checkpoint with a wrong signature or root, and reports the strongest statement."""
    notes = [*stored, *kept]
    if not notes:
        return
    try:
        key = key_of(log)
    except LogFault as fault:
        yield fault
        return
    except LogUnusable as error:
        yield LogFault.of_file("the checkpoints", "those of the log's events", str(error))
        return
    for number, note in enumerate(notes):
        try:
            checkpoint = matching_checkpoint(log, note, key)
            if is_signed_by_others(note, key):
                yield _fault_of_note(key, "another key also signed it under the log's name")
                continue
            cosignatures = cosignatures_of(note, witness_keys) if witness_keys else []
            report.checkpoints += 1
            if cosignatures or number >= len(stored):
                statement = Statement(checkpoint, key, tuple(cosignatures), note)
                report.statement = stronger_statement(report.statement, statement)
        except LogFault as fault:
            yield fault
        except NoteInvalid as error:
            yield _fault_of_note(key, str(error))


def _fault_of_note(key: VerifierKey, reason: str) -> LogFault:
    return LogFault("a checkpoint", sequence=0, process=key.name, expected=f"one signed by {key}", found=reason)
