"""Every process of one log and its state: what a node holds live and a replay rebuilds. The same code for both."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from actors.evaluation.evaluate import EVERYTHING, Evaluated, evaluate, receive
from actors.evaluation.state_root import state_root
from actors.processes import MODULES, Process
from actors.protocol.messages import Context, Past, Refusal
from actors.protocol.spawn import origin_of
from eventstore import Assignment, LogFault, Message, Unevaluable


class UnknownModule(Exception):
    """The log needs a module that this version does not have; names it."""


class Entry(msgspec.Struct):
    """One process in its world."""

    module: str
    owner: str
    process: Process | None
    """None where the spawning message was not what the module starts from."""
    slot: int = 0
    """Of the last assignment that was evaluated."""
    sequence: int = 0
    """Of the same."""
    snapshot_slot: int = -1
    """Slot of its newest snapshot; -1 if it has none."""
    snapshot_bytes: int = 0


class RestoredState(NamedTuple):
    """A process as its snapshot has it."""

    module: str
    owner: str
    process: Process | None
    slot: int
    state_bytes: int


class Idle(Protocol):
    """Processes that a world has and that do not live in its memory."""

    def exists(self, process: str, *, before: int) -> bool:
        """Whether a process was started before a sequence."""

    def snapshot(self, process: str, *, before: int) -> RestoredState | None:
        """The newest snapshot of a process, if it is one of a sequence before this."""

    def rows(self, process: str, *, from_slot: int, before: int) -> Iterator[Assignment]:
        """A process's assignments from a slot on, of sequences before this."""

    def processes(self) -> Iterator[str]:
        """The id of every process that was ever started."""


class ProcessTable:
    """The processes that a log's assignments, evaluated in order, gave rise to.

    Attributes:
        entries: those that live in memory: all of them, unless some are idle.
        modules: those that the log needed so far.
    """

    def __init__(self, past: Past, idle: Idle | None = None) -> None:
        """Begin without processes.

        Args:
            past: gives the data of messages that a process received before.
            idle: where the processes are that do not live here. Without, every process does.
        """
        self.entries: dict[str, Entry] = {}
        self.modules: set[str] = set()
        self._past = past
        self._idle = idle
        self._expected: set[str] = set()
        """Processes that an evaluation spawned and whose spawning message is not evaluated yet. They can be written to:
        what they are sent comes after that message."""

    def evaluate(self, assignment: Assignment) -> Evaluated:
        """Evaluate the next assignment of the log. Has to be called for each, in order.

        Raises:
            Unevaluable: no node can have evaluated it.
            UnknownModule: it spawns a process of a module that is not there.
            LogFault: it wakes a process whose history in the log is not what evaluating it gives.
        """
        message = assignment.message
        if assignment.slot == 0:
            return self._start(assignment)
        entry = self.entries.get(message.target) or self._wake(message.target, before=assignment.sequence)
        if entry is None:
            raise Unevaluable("a message to a process that was never started")
        entry.slot, entry.sequence = assignment.slot, assignment.sequence
        context = self._context(entry, assignment)
        evaluated = evaluate(entry.process, message, context, sequence=assignment.sequence, existed=self._existed)
        if evaluated.spawned:
            self._expected.update(evaluated.spawned)
        return evaluated

    def dryrun(self, message: Message, *, timestamp: int) -> Evaluated:
        """Evaluate a message against the current state of its target, and leave everything as it is."""
        entry = self.entries.get(message.target) or self._wake(message.target, before=EVERYTHING)
        if entry is None:
            raise Unevaluable("a message to a process that was never started")
        from_process = bool(message.sender) and self.has(message.sender)
        context = Context(
            message.target, entry.owner, message.sender, from_process, message.id, timestamp, 0, self._past
        )
        before = entry.process.state if entry.process else None
        try:
            return evaluate(entry.process, message, context, sequence=0, existed=self._existed)
        finally:
            if entry.process and before is not None:
                entry.process.state = before

    def need(self, modules: Iterable[str]) -> None:
        """Take note of modules that idle processes need.

        Raises:
            UnknownModule: one of them is not there.
        """
        for module in modules:
            self._needed(module, "an idle process is")

    def has(self, process: str) -> bool:
        """Whether a message to this id has somewhere to go."""
        return self._existed(process, EVERYTHING)

    def _existed(self, process: str, before: int) -> bool:
        return (
            process in self.entries
            or process in self._expected
            or (self._idle is not None and self._idle.exists(process, before=before))
        )

    def state_root(self) -> bytes:
        """One hash over the whole state of every process, the same wherever and however the world was built."""
        return state_root(
            (process, entry.module, entry.owner, entry.process.state if entry.process else None)
            for process, entry in self._every()
        )

    def _every(self) -> Iterator[tuple[str, Entry]]:
        """Every process, those that are idle too."""
        yield from self.entries.items()
        if self._idle is not None:
            for process in self._idle.processes():
                if process not in self.entries and (entry := self._awoken(process, EVERYTHING)) is not None:
                    yield process, entry

    def find(self, process: str, *, before: int) -> Entry | None:
        """A process, which wakes if it is idle, as it was before a sequence; None if there is none."""
        return self.entries.get(process) or self._wake(process, before=before)

    def _wake(self, process: str, *, before: int) -> Entry | None:
        """Bring an idle process to life, as it was before a sequence."""
        entry = self._awoken(process, before)
        if entry is not None:
            self.entries[process] = entry
        return entry

    def _awoken(self, process: str, before: int) -> Entry | None:
        if self._idle is None:
            return None
        asleep = self._idle.snapshot(process, before=before)
        entry = None
        if asleep is not None:
            module, owner, state, slot, state_bytes = asleep
            entry = Entry(module, owner, state, slot, 0, slot, state_bytes)
        for row in self._idle.rows(process, from_slot=entry.slot + 1 if entry else 0, before=before):
            if entry is None:
                entry, error = self._started(row)
                output = None
            else:
                context = self._context(entry, row)
                _, output, error = receive(entry.process, row.message, context)
                entry.slot, entry.sequence = row.slot, row.sequence
            for what, due, found in (("output", output, row.output), ("error", error, row.error)):
                if due != found:
                    raise LogFault.at(row, what, due, found)
        return entry

    def _context(self, entry: Entry, assignment: Assignment) -> Context:
        message = assignment.message
        return Context(
            message.target,
            entry.owner,
            message.sender,
            message.parent is not None,
            message.id,
            assignment.timestamp,
            assignment.slot,
            self._past,
        )

    def _start(self, assignment: Assignment) -> Evaluated:
        process = assignment.message.target
        entry, error = self._started(assignment)
        self._expected.discard(process)
        self.entries[process] = entry
        return Evaluated([], (), None, error)

    def _started(self, assignment: Assignment) -> tuple[Entry, str | None]:
        """A process from its first message, and why it did not start, if it did not."""
        message = assignment.message
        name, owner = origin_of(message)
        if not name:
            raise Unevaluable("a process's first message that names no module")
        module = self._needed(name, f"sequence {assignment.sequence} starts a process")
        entry = Entry(module.module, owner, None, assignment.slot, assignment.sequence)
        try:
            entry.process = module(message.data, self._context(entry, assignment))
        except Refusal as refusal:
            return entry, f"the process was not started: {refusal}"
        return entry, None

    def _needed(self, name: str, by: str) -> type[Process]:
        """A module that the log needs, and which part of it does."""
        self.modules.add(name)
        module = MODULES.get(name)
        if module is None:
            raise UnknownModule(
                f"{by} of module {name!r}, which this version does not have; it has {', '.join(MODULES)}"
            )
        return module
