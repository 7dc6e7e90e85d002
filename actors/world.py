"""Every process of one log and its state: what a node holds live and a replay rebuilds. The same code for both."""

import msgspec

from actors.ids import sent_id, spawned_id
from actors.jsontext import decode, encode
from actors.messages import (
    REPLY,
    Context,
    Effects,
    Refusal,
    message_tags,
)
from actors.processes import MODULES, Process
from actors.state_root import state_root
from eventstore import Assignment, Message, Unevaluable

SPAWN = "Spawn"
"""Action of the message that starts a process."""


class UnknownModule(Exception):
    """The log needs a module that this version does not have; names it."""


class Evaluated(msgspec.Struct, frozen=True):
    """What evaluating a message gave, as far as others are concerned."""

    outbox: list[Message]
    """The messages to processes, in order: what it spawned, its reply if it goes to a process, the rest."""
    output: str | None
    """The answer as JSON text; None where there is none to give (a spawn, a reply)."""
    error: str | None
    """Why it was refused."""


class Entry(msgspec.Struct):
    """One process in its world."""

    module: str
    owner: str
    process: Process | None
    """None where the spawning message was not what the module starts from."""


class World:
    """The processes that a log's assignments, evaluated in order, gave rise to."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._expected: set[str] = set()
        """Processes that an evaluation spawned and whose spawning message is not evaluated yet. They can be written to:
        what they are sent comes after that message."""

    def evaluate(self, assignment: Assignment) -> Evaluated:
        """Evaluate the next assignment of the log. Has to be called for each, in order.

        Raises:
            Unevaluable: no node can have evaluated it.
            UnknownModule: it spawns a process of a module that is not there.
        """
        message = assignment.message
        if assignment.slot == 0:
            return self._start(message, assignment)
        entry = self.entries.get(message.target)
        if entry is None:
            raise Unevaluable("a message to a process that was never started")
        context = Context(
            message.target,
            entry.owner,
            message.sender,
            message.parent is not None,
            message.id,
            assignment.timestamp,
            assignment.slot,
        )
        effects, output, error = _receive(entry, message, context)
        outbox = self._outbox(message, context, effects, output, error, assignment.sequence)
        if effects.spawns:
            self._expected.update(sent.target for sent in outbox if sent.action == SPAWN)
        return Evaluated(outbox, output, error)

    def dryrun(self, message: Message, *, timestamp: int) -> Evaluated:
        """Evaluate a message against the current state of its target, and leave everything as it is."""
        entry = self.entries[message.target]
        from_process = message.sender in self.entries
        context = Context(message.target, entry.owner, message.sender, from_process, message.id, timestamp, 0)
        before = entry.process.state if entry.process else None
        try:
            effects, output, error = _receive(entry, message, context)
            return Evaluated(self._outbox(message, context, effects, output, error, 0), output, error)
        finally:
            if entry.process and before is not None:
                entry.process.state = before

    def has(self, process: str) -> bool:
        """Whether a message to this id has somewhere to go."""
        return process in self.entries or process in self._expected

    def state_root(self) -> bytes:
        """One hash over the whole state of every process, the same wherever and however the world was built."""
        return state_root(
            (process, entry.module, entry.owner, entry.process.state if entry.process else None)
            for process, entry in self.entries.items()
        )

    def _start(self, message: Message, assignment: Assignment) -> Evaluated:
        try:
            tags = dict(reversed(decode(message.tags.encode())))  # of tags of one name the first counts
        except (ValueError, TypeError):
            raise Unevaluable("tags that are no tags") from None
        if "Module" not in tags:
            raise Unevaluable("a process's first message that names no module")
        module = MODULES.get(tags["Module"])
        if module is None:
            raise UnknownModule(
                f"sequence {assignment.sequence} starts a process of module {tags['Module']!r}, which this"
                f" version does not have; it has {', '.join(MODULES)}"
            )
        # a process that starts another names its owner; a wallet that starts one is its owner
        from_process = message.parent is not None
        owner = tags.get("Owner", "") if from_process else message.sender
        context = Context(message.target, owner, message.sender, from_process, message.id, assignment.timestamp, 0)
        self._expected.discard(message.target)
        process, error = None, None
        try:
            process = module(message.data, context)
        except Refusal as refusal:
            error = f"the process was not started: {refusal}"
        self.entries[message.target] = Entry(module.module, owner, process)
        return Evaluated([], None, error)

    def _outbox(
        self,
        message: Message,
        context: Context,
        effects: Effects,
        output: str | None,
        error: str | None,
        sequence: int,
    ) -> list[Message]:
        outbox: list[Message] = []
        sender, parent = message.target, message.id
        for place, spawn in enumerate(effects.spawns):
            spawned = spawned_id(parent, place)
            tags = message_tags(SPAWN, (("Type", "Process"), ("Module", spawn.module), ("Owner", spawn.owner)))
            data = spawn.data.encode()
            outbox.append(Message(spawned, sender, spawned, SPAWN, tags, data, "", sequence))
        spawns = {sent.id for sent in outbox} if outbox else ()
        answered = context.from_process and output is not None and not (effects.quiet and error is None)
        if answered and self.has(message.sender):
            # whoever relayed a message that is refused wants to know which of its messages it was
            answer = {"status": "error", "message": error, "messageID": parent}
            data = (encode(answer) if error is not None else str(output)).encode()
            tags = message_tags(REPLY, ())
            outbox.append(Message(sent_id(parent, 0), sender, message.sender, REPLY, tags, data, "", sequence))
        for place, sent in enumerate(effects.messages, start=1):  # place 0 is the reply's, also where none is sent
            target, action = sent.target, sent.action
            if self.has(target) or target in spawns:  # else it has nowhere to go
                tags, data = message_tags(action, sent.tags), sent.data.encode()
                outbox.append(Message(sent_id(parent, place), sender, target, action, tags, data, "", sequence))
        return outbox


def _receive(entry: Entry, message: Message, context: Context) -> tuple[Effects, str | None, str | None]:
    """Effects, answer as JSON text, and error. Whatever a handler raises leaves the state as it was."""
    process = entry.process
    if process is None:
        return _refused(message, "the process was not started")
    before = process.state
    try:
        effects = process.receive(message, context)
        return effects, None if effects.reply is None else encode(effects.reply), None
    except Refusal as refusal:
        process.state = before
        return _refused(message, str(refusal))
    except Exception as fault:  # an error in a handler is a result like any other, and the process goes on
        process.state = before
        return _refused(message, f"{type(fault).__name__} in the handler of {message.action!r}")


def _refused(message: Message, reason: str) -> tuple[Effects, str | None, str]:
    if message.action == REPLY:  # a reply is never answered
        return Effects(None), None, reason
    answer = {"status": "error", "message": reason}
    return Effects(answer), encode(answer), reason
