"""Partitioned replay: verifies a log in parallel, each worker for a subset of the processes.

The results of a process follow from its own messages, in their order, alone. So a worker can replay its partition
without the others, provided that the messages that some partitions sent are the messages that others received. Two
checks establish this without sorting the messages of all partitions:

* Digests. Each partition adds a keyed digest for every message that it sent to another partition, and subtracts one for
  every message that it received. Over all partitions, the sum is zero if and only if both are the same messages, except
  with probability 2^-256: a forger cannot know the key, which is new for each run. Messages within a partition are
  compared directly.
* Order. The digest includes the message's index in its parent's outbox. The receiver derives this index from the row's
  distance to the first adjacent row with the same parent, so messages of one evaluation are adjacent and in order. The
  parent of a row must follow from the row before it: after an external message, the parent is that message; after a
  message from a process, the parent is the same or a later one. So messages are assigned in the order in which they
  were sent, with no external message between them.

If the node was killed, the last messages may still be in flight: sent but not assigned. Messages with parents from
``in_flight_from`` on are therefore reported individually, not added to the sum.

A partitioned replay only decides whether a log is valid. For an invalid log, ``Replay`` says where and why.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice, pairwise
from typing import NamedTuple, Protocol

import msgspec

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message
from eventstore.replay.sequential import Evaluation, describe
from eventstore.sequencer import GENESIS_CHAIN, Sequencer

_BATCH_ROWS = 128
_encode = msgspec.msgpack.Encoder().encode
_AFTER_ALL_IDS = chr(sys.maxunicode)


class Partition(NamedTuple):
    """The processes with ``start <= id < stop``."""

    start: str
    stop: str

    @classmethod
    def split(cls, sample: Iterable[str], count: int) -> "list[Partition]":
        """Split all processes into partitions with about the same number of messages.

        Args:
            sample: process ids, each about as often as the process has messages.
            count: number of partitions.
        """
        ordered = sorted(sample) or [""]
        bounds = ["", *(ordered[len(ordered) * number // count] for number in range(1, count)), _AFTER_ALL_IDS]
        return [cls(start, stop) for start, stop in pairwise(bounds)]

    def contains(self, process: str) -> bool:
        """Whether a process belongs to the partition."""
        return self.start <= process < self.stop


PrecedingRow = tuple[int, int, bytes, int | None]
"""Sequence, timestamp, log chain and parent of the row before a row, from which the row must follow."""
GENESIS_ROW: PrecedingRow = (0, 0, GENESIS_CHAIN, None)
"""Precedes the first row."""


class LogTail(NamedTuple):
    """The end of a log, as far as it decides which messages may be in flight."""

    external_sequence: int
    """Sequence of the last external message; 0 if there is none."""
    internal_parent: int
    """Parent of the last message from a process; 0 if there is none."""


class InFlightMessage(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A message near the end of a log that a partition sent or received."""

    parent: int
    index: int
    """Position in the parent's outbox, from 0."""
    digest: bytes
    description: str = ""
    """Text for error messages; empty if received."""


class PartitionSummary(msgspec.Struct):
    """The result of replaying one partition."""

    rows: int = 0
    balance: str = "0"
    """Sum of the digests of the messages sent minus those received: an integer of any length, in hexadecimal."""
    sent: list[InFlightMessage] = msgspec.field(default_factory=list)
    received: list[InFlightMessage] = msgspec.field(default_factory=list)


_LocalMessage = tuple[int, int, Message]
"""1 for sent or -1 for received; the index in the parent's outbox; the message."""


class PartitionScan(Protocol):
    """The reads of a parallel replay."""

    def read_partition(
        self, partition: Partition, *, until: int, check_index: bool = False
    ) -> Iterator[tuple[PrecedingRow, int | None, Assignment]]:
        """The assignments of one partition in order, up to a sequence, each with the row before it in the log.

        With ``check_index``, each assignment also comes with the index's entry for the first message of its process,
        a sequence; None where the index does not find the row by its message's id.
        """

    def sample(self, rows: int, *, until: int) -> list[str]:
        """The processes of about ``rows`` rows, evenly spaced up to a sequence. Rows that are not text are skipped."""

    def first_of_run(self, sequence: int) -> int:
        """First sequence of the contiguous rows that end with this sequence and have its parent."""

    def tail(self, until: int) -> LogTail:
        """The end of the log up to a sequence."""

    def exists_from(self, process: str) -> int | None:
        """Sequence of the message that caused a process's start, or of the start itself if it is external.

        None if the process was never started.
        """


class PartitionReplay:
    """Replays one partition of a log."""

    def __init__(
        self,
        log: PartitionScan,
        partition: Partition,
        evaluate: Callable[[Assignment], Evaluation],
        *,
        key: bytes,
        in_flight_from: int,
        check_index: bool = False,
    ) -> None:
        """Prepare to replay a partition.

        Args:
            log: the log.
            partition: the processes to replay.
            evaluate: evaluates an assignment; called for each of the partition, in order.
            key: secret key of this run's digests; the same for all partitions.
            in_flight_from: report messages with this parent or a later one individually.
            check_index: check also that the index finds each row by its message's id and its process.
        """
        self._log = log
        self._partition = partition
        self._evaluate = evaluate
        self._digest = sha256(key)
        self._in_flight_from = in_flight_from
        self._check_index = check_index
        self._spawns: dict[str, int] = {}
        """Sequence of the first message of each process, if ``check_index`` is set."""
        self._sequencer = Sequencer()
        self._rows = self._balance = 0
        self._local: dict[str, _LocalMessage] = {}
        """Messages within this partition that were sent but not yet received, or received but not yet sent. The latter
        occurs because each batch of rows is received before it is evaluated."""
        self._sent: list[InFlightMessage] = []
        self._received: list[InFlightMessage] = []
        self._run = (0, 0)
        """The parent of adjacent rows, and the sequence of the first of them."""

    def follow(self, until: int, on_batch: Callable[[list[Assignment]], None]) -> None:
        """Replay the partition up to a sequence.

        Each step runs over a batch of rows before the next step does. Running all steps row by row takes a third
        longer, because neither code nor tables stay in a core's cache.

        Args:
            until: the last sequence.
            on_batch: called with assignments after they are evaluated.

        Raises:
            LogFault: the log is invalid. Only a sequential replay finds the first faulty row.
            Unevaluable: likewise.
            TypeError, ValueError, AttributeError, LookupError: likewise; a row has columns of wrong types.
        """
        rows = self._log.read_partition(self._partition, until=until, check_index=self._check_index)
        while batch := list(islice(rows, _BATCH_ROWS)):
            self._verify(batch)
            if self._check_index:
                self._check_index_entries(batch)
            assignments = [assignment for _, _, assignment in batch]
            self._replay(assignments)
            self._rows += len(batch)
            on_batch(assignments)
        if self._local:
            message_id, (_, _, message) = next(iter(self._local.items()))
            raise LogFault(
                "not both sent and received", sequence=0, process=message.target, expected=message_id, found=None
            )

    def summary(self) -> PartitionSummary:
        """The result so far."""
        return PartitionSummary(self._rows, hex(self._balance), self._sent, self._received)

    def _verify(self, batch: Sequence[tuple[PrecedingRow, int | None, Assignment]]) -> None:
        """Verify order, time and chains of each row against the row before it."""
        sequencer = self._sequencer
        for (sequence, sequencer.timestamp, sequencer.log_chain, preceding_parent), _, assignment in batch:
            sequencer.sequence = sequence
            sequencer.verify_next(assignment)
            message = assignment.message
            if message.parent is not None:
                self._receive(message, message.parent, assignment.sequence, preceding_parent)
            elif message.envelope is None:
                raise LogFault.at(assignment, "neither a parent nor an envelope", "one of them", None)

    def _check_index_entries(self, batch: Sequence[tuple[PrecedingRow, int | None, Assignment]]) -> None:
        """Check that the index files each row under its message's id and its process's first message."""
        spawns = self._spawns
        for _, indexed_spawn, assignment in batch:
            process = assignment.message.target
            if assignment.slot == 0:
                spawns[process] = assignment.sequence
            if indexed_spawn != spawns.get(process):
                raise LogFault.at(assignment, "index entry", spawns.get(process), indexed_spawn)

    def _receive(self, message: Message, parent: int, sequence: int, preceding_parent: int | None) -> None:
        """Check that a row's parent may follow the row before it, and count the message as received."""
        index = 0
        if preceding_parent is None:
            in_order = parent == sequence - 1
        else:
            in_order = preceding_parent <= parent < sequence
            if parent == preceding_parent:
                index = self._outbox_index(parent, sequence)
        if not in_order:
            what, process = "parent out of order", message.target
            raise LogFault(what, sequence=sequence, process=process, expected=preceding_parent, found=parent)
        self._count(-1, parent, index, message, message.sender)

    def _replay(self, assignments: Sequence[Assignment]) -> None:
        """Evaluate each assignment, compare the result with the row, and count the messages that it sent."""
        evaluate, count = self._evaluate, self._count
        for assignment in assignments:
            evaluation = evaluate(assignment)
            if evaluation.output != assignment.output or evaluation.error != assignment.error:
                raise LogFault.at(assignment, "output or error", evaluation.output, assignment.output)
            for index, message in enumerate(evaluation.outbox):
                count(1, assignment.sequence, index, message, message.target)

    def _count(self, sign: int, parent: int, index: int, message: Message, peer: str) -> None:
        """Count a message that a process of this partition sent (1) to, or received (-1) from, the process ``peer``."""
        in_flight = parent >= self._in_flight_from
        start, stop = self._partition
        if not in_flight and start <= peer < stop:
            counterpart = self._local.pop(message.id, None)
            if counterpart is None:
                self._local[message.id] = sign, index, message
            elif counterpart != (-sign, index, message):
                raise LogFault("not what was sent", sequence=0, process=peer, expected=counterpart, found=message)
            return
        digest = self._digest.copy()
        digest.update(_encode((index, message)))
        if not in_flight:
            self._balance += sign * int.from_bytes(digest.digest())
        elif sign > 0:
            self._sent.append(InFlightMessage(parent, index, digest.digest(), describe(message)))
        else:
            self._received.append(InFlightMessage(parent, index, digest.digest()))

    def _outbox_index(self, parent: int, sequence: int) -> int:
        if self._run[0] != parent:
            self._run = (parent, self._log.first_of_run(sequence))
        return sequence - self._run[1]


def in_flight_messages(
    summaries: Iterable[PartitionSummary], *, events: int, tail: LogTail
) -> list[InFlightMessage] | None:
    """The messages in flight at the end of a log with so many events, in order; None if the log is invalid.

    ``summaries`` has one summary of each partition.
    """
    summaries = list(summaries)
    balance = sum(int(summary.balance, 16) for summary in summaries)
    if balance or sum(summary.rows for summary in summaries) != events:
        return None
    sent = sorted(message for summary in summaries for message in summary.sent)
    received = sorted(message for summary in summaries for message in summary.received)
    if [_key(message) for message in sent[: len(received)]] != [_key(message) for message in received]:
        return None
    in_flight = sent[len(received) :]
    return in_flight if all(message.parent >= tail.external_sequence for message in in_flight) else None


def _key(message: InFlightMessage) -> tuple[int, int, bytes]:
    """The fields that sender and receiver have in common."""
    return message.parent, message.index, message.digest
