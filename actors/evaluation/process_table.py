"""The process table: every process of a log and its state. A live node and a replay use the same code."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from actors.evaluation.evaluate import SEQUENCE_MAX, Evaluated, evaluate, receive
from actors.evaluation.state_root import state_root
from actors.processes import MODULES, Process
from actors.protocol.messages import Context, PayloadReader, Refusal
from actors.protocol.spawn import origin_of
from eventstore import Assignment, LogFault, Message, Unevaluable


class UnknownModule(Exception):
    """The log needs a module that this version lacks; the text names it."""


class Entry(msgspec.Struct):
    """One process in memory."""

    module: str
    owner: str
    process: Process | None
    """None if the module refused the spawn message."""
    slot: int = 0
    """Slot of the last evaluated assignment."""
    sequence: int = 0
    """Sequence of the last evaluated assignment."""
    snapshot_slot: int = -1
    """Slot of the newest snapshot; -1 if there is none."""
    snapshot_bytes: int = 0


class RestoredState(NamedTuple):
    """A process restored from its snapshot."""

    module: str
    owner: str
    process: Process | None
    slot: int
    state_bytes: int


class PassiveSource(Protocol):
    """Reads the processes of a table that are not in memory."""

    def exists(self, process: str, *, before: int) -> bool:
        """Whether a process was started before a sequence."""

    def snapshot(self, process: str, *, before: int) -> RestoredState | None:
        """The newest snapshot of a process, if its sequence is lower than ``before``."""

    def rows(self, process: str, *, from_slot: int, before: int) -> Iterator[Assignment]:
        """Assignments of a process, from a slot, with sequences lower than ``before``."""

    def processes(self) -> Iterator[str]:
        """The id of every process of the log."""


class ProcessTable:
    """Evaluates the assignments of a log in order, and holds the state of every process.

    Attributes:
        entries: the processes in memory: all of them, unless some are passive.
        modules: names of the modules that the log has needed so far.
    """

    def __init__(self, read_payloads: PayloadReader, passive: PassiveSource | None = None) -> None:
        """Start without processes.

        Args:
            read_payloads: reads the data of earlier messages of a process.
            passive: reads the processes that are not in memory. If it is None, every process is in memory.
        """
        self.entries: dict[str, Entry] = {}
        self.modules: set[str] = set()
        self._read_payloads = read_payloads
        self._passive = passive
        self._spawned: set[str] = set()
        """Spawned processes whose spawn message is not evaluated yet. They already take messages, because every message
        to them follows the spawn message."""

    def evaluate(self, assignment: Assignment) -> Evaluated:
        """Evaluate the next assignment of the log. Call it for each assignment, in order.

        Raises:
            Unevaluable: no node can have evaluated the assignment.
            UnknownModule: the assignment starts a process of an unknown module.
            LogFault: the log's history of a passive process does not match its replay.
        """
        message = assignment.message
        if assignment.slot == 0:
            return self._start(assignment)
        entry = self.entries.get(message.target) or self._activate(message.target, before=assignment.sequence)
        if entry is None:
            raise Unevaluable("a message to a process that was never started")
        entry.slot, entry.sequence = assignment.slot, assignment.sequence
        context = self._context(entry, assignment)
        evaluated = evaluate(entry.process, message, context, sequence=assignment.sequence, exists=self._exists)
        if evaluated.spawned:
            self._spawned.update(evaluated.spawned)
        return evaluated

    def dryrun(self, message: Message, *, timestamp: int) -> Evaluated:
        """Evaluate a message against the current state of its target, without changing anything."""
        entry = self.entries.get(message.target) or self._activate(message.target, before=SEQUENCE_MAX)
        if entry is None:
            raise Unevaluable("a message to a process that was never started")
        from_process = bool(message.sender) and self.has(message.sender)
        context = Context(
            message.target, entry.owner, message.sender, from_process, message.id, timestamp, 0, self._read_payloads
        )
        before = entry.process.state if entry.process else None
        try:
            return evaluate(entry.process, message, context, sequence=0, exists=self._exists)
        finally:
            if entry.process and before is not None:
                entry.process.state = before

    def require_modules(self, modules: Iterable[str]) -> None:
        """Register the modules of passive processes.

        Raises:
            UnknownModule: a module is unknown.
        """
        for module in modules:
            self._module(module, "a passive process is")

    def has(self, process: str) -> bool:
        """Whether a process of this id exists."""
        return self._exists(process, SEQUENCE_MAX)

    def _exists(self, process: str, before: int) -> bool:
        return (
            process in self.entries
            or process in self._spawned
            or (self._passive is not None and self._passive.exists(process, before=before))
        )

    def state_root(self) -> bytes:
        """Hash over the states of all processes. It depends on the log only, not on how the table was built."""
        return state_root(
            (process, entry.module, entry.owner, entry.process.state if entry.process else None)
            for process, entry in self._every()
        )

    def _every(self) -> Iterator[tuple[str, Entry]]:
        """Every process, including the passive ones."""
        yield from self.entries.items()
        if self._passive is not None:
            for process in self._passive.processes():
                if process not in self.entries and (entry := self._restore(process, SEQUENCE_MAX)) is not None:
                    yield process, entry

    def find(self, process: str, *, before: int) -> Entry | None:
        """A process as of just before a sequence, activated if it is passive; None if there is none."""
        return self.entries.get(process) or self._activate(process, before=before)

    def _activate(self, process: str, *, before: int) -> Entry | None:
        """Activate a passive process: restore it as of just before a sequence, and keep it in memory."""
        entry = self._restore(process, before)
        if entry is not None:
            self.entries[process] = entry
        return entry

    def _restore(self, process: str, before: int) -> Entry | None:
        """A passive process as of just before a sequence: its snapshot, and a replay of the slots after it."""
        if self._passive is None:
            return None
        snapshot = self._passive.snapshot(process, before=before)
        entry = None
        if snapshot is not None:
            module, owner, state, slot, state_bytes = snapshot
            entry = Entry(module, owner, state, slot, 0, slot, state_bytes)
        for row in self._passive.rows(process, from_slot=entry.slot + 1 if entry else 0, before=before):
            if entry is None:
                entry, error = self._process_from(row)
                output = None
            else:
                context = self._context(entry, row)
                _, output, error = receive(entry.process, row.message, context)
                entry.slot, entry.sequence = row.slot, row.sequence
            for column, expected, found in (("output", output, row.output), ("error", error, row.error)):
                if expected != found:
                    raise LogFault.at(row, column, expected, found)
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
            self._read_payloads,
        )

    def _start(self, assignment: Assignment) -> Evaluated:
        process = assignment.message.target
        entry, error = self._process_from(assignment)
        self._spawned.discard(process)
        self.entries[process] = entry
        return Evaluated([], (), None, error)

    def _process_from(self, assignment: Assignment) -> tuple[Entry, str | None]:
        """A process from its first message, and the error if the module refused to start."""
        message = assignment.message
        name, owner = origin_of(message)
        if not name:
            raise Unevaluable("a process's first message that names no module")
        module = self._module(name, f"sequence {assignment.sequence} starts a process")
        entry = Entry(module.module, owner, None, assignment.slot, assignment.sequence)
        try:
            entry.process = module(message.data, self._context(entry, assignment))
        except Refusal as refusal:
            return entry, f"the process was not started: {refusal}"
        return entry, None

    def _module(self, name: str, used_by: str) -> type[Process]:
        """Look up a module that the log needs.

        Raises:
            UnknownModule: the module is unknown; the text starts with ``used_by``.
        """
        self.modules.add(name)
        module = MODULES.get(name)
        if module is None:
            raise UnknownModule(
                f"{used_by} of module {name!r}, which this version does not have; it has {', '.join(MODULES)}"
            )
        return module
