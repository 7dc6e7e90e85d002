"""A log followed by several at once, each its share of the processes: for whoever only asks whether all is well.

What a process answers and sends follows from its own messages, in their order, alone. So nobody has to follow all of
them, if what one share sent is, all in all, what the others received. That is known without anybody putting it in
order: of every message sent and of every one received a share adds up a keyed digest, and sent less received comes to
nought over all shares exactly if both are the same messages (a chance of 2^-256 for a forger, who cannot know the key
of a run that is still to come). What one process of a share sends another is simply compared. Where a message stands in
the log decides the rest:

* what one evaluation sent stands together and in order: the digest holds a message's place in its evaluation's outbox,
  received is the place among its neighbours of the same parent;
* what is sent first stands first, and nothing comes in between from outside: behind a message from outside there can
  only be what it caused itself, and behind another one only what was caused by its parent or later.

The last messages may still be on their way, where a node was killed. Those sent and received from ``late_from`` on are
therefore not added up but given as they are.

This says no more than sound or not. Where a log is not, ``Replay`` says where and why.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice, pairwise
from typing import NamedTuple, Protocol

import msgspec

from eventstore.errors import LogFault
from eventstore.records import Assignment, Message
from eventstore.replay.sequential import Evaluation, named
from eventstore.sequencer import GENESIS_CHAIN, Sequencer

_BATCH_ROWS = 128
_encode = msgspec.msgpack.Encoder().encode
_BEHIND_ALL = chr(sys.maxunicode)


class Partition(NamedTuple):
    """The processes whose ids lie between two texts."""

    start: str
    stop: str

    @classmethod
    def cut(cls, sample: Iterable[str], shares: int) -> "list[Partition]":
        """So many shares of about the same size; every id belongs to one.

        Args:
            sample: processes, each about as often as it has messages.
            shares: how many.
        """
        ordered = sorted(sample) or [""]
        bounds = ["", *(ordered[len(ordered) * part // shares] for part in range(1, shares)), _BEHIND_ALL]
        return [cls(start, stop) for start, stop in pairwise(bounds)]

    def holds(self, process: str) -> bool:
        """Whether a process belongs to it."""
        return self.start <= process < self.stop


Before = tuple[int, int, bytes, int | None]
"""What the row before says, as far as the next has to follow from it: sequence, timestamp, log chain, parent."""
GENESIS: Before = (0, 0, GENESIS_CHAIN, None)
"""What stands before the first row."""


class End(NamedTuple):
    """The last two rows of their kind in a log, by sequence; 0 where there is none."""

    outside: int
    """The last message from outside."""
    inside_parent: int
    """The parent of the last one from a process."""


class InFlightMessage(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A message at the end of a log, sent or received."""

    parent: int
    place: int
    digest: bytes
    name: str = ""
    """In words, of one that was sent."""


class Tally(msgspec.Struct):
    """What following a share came to."""

    rows: int = 0
    balance: str = "0"
    """The digests of all that it sent less those of all that it received: an integer of any length, in hex."""
    sent: list[InFlightMessage] = msgspec.field(default_factory=list)
    received: list[InFlightMessage] = msgspec.field(default_factory=list)


_Own = tuple[int, int, Message]
"""1 for sent, -1 for received; the place in its parent's outbox; the message."""


class PartitionScan(Protocol):
    """What a parallel replay reads of a log."""

    def read_partition(
        self, partition: Partition, *, until: int, check_index: bool = False
    ) -> Iterator[tuple[Before, int | None, Assignment]]:
        """The assignments of one partition in order, up to a sequence, each with the row before it in the log.

        With ``check_index``, each assignment also comes with the sequence under which the index files its process's
        first message; None where the index does not find the row by its message's id.
        """

    def sample(self, rows: int, *, until: int) -> list[str]:
        """The processes of about ``rows`` rows, evenly spaced up to a sequence. Rows that are not text are skipped."""

    def first_of_run(self, sequence: int) -> int:
        """Where the contiguous rows begin that end with this sequence and have its parent."""

    def end(self, until: int) -> End:
        """The last rows of their kind up to a sequence."""

    def exists_from(self, process: str) -> int | None:
        """Sequence of the message that caused a process's start, or of the start itself where nothing caused it.

        None if the process was never started.
        """


class PartitionReplay:
    """Follows one share of a log, of whose every row the neighbour before is known."""

    def __init__(
        self,
        log: PartitionScan,
        share: Partition,
        evaluate: Callable[[Assignment], Evaluation],
        *,
        key: bytes,
        late_from: int,
        check_index: bool = False,
    ) -> None:
        """Prepare.

        Args:
            log: what is followed.
            share: which part of it.
            evaluate: gives what an assignment's evaluation comes to; called for each of the share, in order.
            key: of this run's digests; the same for every share, and nobody else's.
            late_from: messages with this parent or a later one are given as they are.
            check_index: check also that each row is found by its message's id and its process.
        """
        self._log = log
        self._share = share
        self._evaluate = evaluate
        self._digest = sha256(key)
        self._late_from = late_from
        self._check_index = check_index
        self._spawns: dict[str, int] = {}
        """Sequence of the first message of each process, where it is asked for."""
        self._sequencer = Sequencer()
        self._rows = self._balance = 0
        self._own: dict[str, _Own] = {}
        """Messages between processes of this share that were sent and not received yet, or the other way round: within
        a batch of rows all of them are received before any is sent."""
        self._sent: list[InFlightMessage] = []
        self._received: list[InFlightMessage] = []
        self._run = (0, 0)
        """A parent that several rows have which stand together, and the sequence of the first of them."""

    def follow(self, until: int, watch: Callable[[list[Assignment]], None]) -> None:
        """Replay the share up to a sequence.

        Each thing is done for many rows before the next is: doing all for one row after the other takes a third longer,
        since neither code nor tables stay in a core's cache.

        Args:
            until: the last sequence that counts.
            watch: called with assignments that were evaluated.

        Raises:
            LogFault: the log is not sound. Which of its rows is the first that cannot be, only a replay in order says.
            Unevaluable: likewise.
            TypeError, ValueError, AttributeError, LookupError: likewise; a row has columns of other types.
        """
        rows = self._log.read_partition(self._share, until=until, check_index=self._check_index)
        while batch := list(islice(rows, _BATCH_ROWS)):
            self._accept(batch)
            if self._check_index:
                self._check_index_entries(batch)
            assignments = [assignment for _, _, assignment in batch]
            self._replay(assignments)
            self._rows += len(batch)
            watch(assignments)
        if self._own:
            message_id, (_, _, message) = next(iter(self._own.items()))
            what = "sent or received, but not both"
            raise LogFault(what, sequence=0, process=message.target, expected=message_id, found=None)

    def tally(self) -> Tally:
        """What it came to so far."""
        return Tally(self._rows, hex(self._balance), self._sent, self._received)

    def _accept(self, batch: Sequence[tuple[Before, int | None, Assignment]]) -> None:
        """Chains, order and time, each row against the one before it."""
        sequencer = self._sequencer
        for (sequence, sequencer.timestamp, sequencer.log_chain, parent_before), _, assignment in batch:
            sequencer.sequence = sequence
            sequencer.verify_next(assignment)
            message = assignment.message
            if message.parent is not None:
                self._receive(message, message.parent, assignment.sequence, parent_before)
            elif message.envelope is None:
                raise LogFault.at(assignment, "neither a parent nor an envelope", "one of them", None)

    def _check_index_entries(self, batch: Sequence[tuple[Before, int | None, Assignment]]) -> None:
        """Whether each is found by its message's id and its process's first message."""
        spawns = self._spawns
        for _, found_by, assignment in batch:
            process = assignment.message.target
            if assignment.slot == 0:
                spawns[process] = assignment.sequence
            if found_by != spawns.get(process):
                raise LogFault.at(assignment, "what it is found by", spawns.get(process), found_by)

    def _receive(self, message: Message, parent: int, sequence: int, parent_before: int | None) -> None:
        place = 0
        if parent_before is None:
            right = parent == sequence - 1
        else:
            right = parent_before <= parent < sequence
            if parent == parent_before:
                place = self._place(parent, sequence)
        if not right:
            what = "not caused by what comes next"
            raise LogFault(what, sequence=sequence, process=message.target, expected=parent_before, found=parent)
        self._note(-1, parent, place, message, message.sender)

    def _replay(self, assignments: Sequence[Assignment]) -> None:
        """Evaluates each, holds what came out against the row, and notes what it sent."""
        evaluate, note = self._evaluate, self._note
        for assignment in assignments:
            evaluation = evaluate(assignment)
            if evaluation.output != assignment.output or evaluation.error != assignment.error:
                raise LogFault.at(assignment, "output or error", evaluation.output, assignment.output)
            for place, message in enumerate(evaluation.outbox):
                note(1, assignment.sequence, place, message, message.target)

    def _note(self, sign: int, parent: int, place: int, message: Message, other: str) -> None:
        """Count a message that one of this share's processes sent (1) or received (-1), ``other`` being at its other
        end.
        """
        late = parent >= self._late_from
        start, stop = self._share
        if not late and start <= other < stop:
            found = self._own.pop(message.id, None)
            if found is None:
                self._own[message.id] = sign, place, message
            elif found != (-sign, place, message):
                raise LogFault("not what was sent", sequence=0, process=other, expected=found, found=message)
            return
        digest = self._digest.copy()
        digest.update(_encode((place, message)))
        if not late:
            self._balance += sign * int.from_bytes(digest.digest())
        elif sign > 0:
            self._sent.append(InFlightMessage(parent, place, digest.digest(), named(message)))
        else:
            self._received.append(InFlightMessage(parent, place, digest.digest()))

    def _place(self, parent: int, sequence: int) -> int:
        if self._run[0] != parent:
            self._run = (parent, self._log.first_of_run(sequence))
        return sequence - self._run[1]


def unsent(tallies: Iterable[Tally], *, events: int, end: End) -> list[InFlightMessage] | None:
    """What every share together says of a log of so many events.

    Returns:
        The messages that were still on their way at its end, in their order; None if the log is not sound.
    """
    tallies = list(tallies)
    balance = sum(int(tally.balance, 16) for tally in tallies)
    if balance or sum(tally.rows for tally in tallies) != events:
        return None
    sent = sorted(late for tally in tallies for late in tally.sent)
    received = sorted(late for tally in tallies for late in tally.received)
    if [_bare(late) for late in sent[: len(received)]] != [_bare(late) for late in received]:
        return None
    left = sent[len(received) :]
    return left if all(late.parent >= end.outside for late in left) else None


def _bare(late: InFlightMessage) -> tuple[int, int, bytes]:
    return late.parent, late.place, late.digest
