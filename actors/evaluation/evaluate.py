"""Evaluates one message: runs its handler and derives the outbox from the effects."""

from collections.abc import Callable, Sequence

import msgspec

from actors.processes import Process
from actors.processes.limits import REFUSAL_CHARACTERS_MAX
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Context, Effects, Refusal, message_tags
from actors.protocol.spawn import spawn_message
from eventstore import Message

SEQUENCE_MAX = 2**62
"""Greater than every sequence."""


class Evaluated(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an evaluation: outbox, output and error."""

    outbox: list[Message]
    """Messages to processes, in order: spawn messages, the reply if it goes to a process, the other messages."""
    spawned: Sequence[str]
    """Ids of the spawned processes: the targets of the first messages in the outbox."""
    output: str | None
    """The reply as JSON text; None if there is none (the message spawned a process, or was a reply)."""
    error: str | None
    """Reason of the refusal; None if the message was not refused."""


def evaluate(
    process: Process | None, message: Message, context: Context, *, sequence: int, exists: Callable[[str, int], bool]
) -> Evaluated:
    """Evaluate a message; changes the state of the process.

    Args:
        process: the target; None if it failed to start.
        message: the message to evaluate.
        context: context of the message.
        sequence: sequence of the message; 0 for a dryrun.
        exists: whether a process existed before a sequence. Messages to processes that did not exist are dropped.
    """
    effects, output, error = receive(process, message, context)
    sends_reply = context.from_process and output is not None and not (effects.quiet and error is None)
    if not sends_reply and not effects.messages and not effects.spawns:
        return Evaluated([], (), output, error)
    sender, parent, before = message.target, message.id, sequence or SEQUENCE_MAX
    outbox = [
        spawn_message(spawn, index=index, parent=message, sequence=sequence)
        for index, spawn in enumerate(effects.spawns)
    ]
    spawned = [sent.target for sent in outbox] if outbox else ()
    if sends_reply and exists(message.sender, before):
        # a relaying handle has to learn which of its messages was refused
        refusal = {"status": "error", "message": error, "messageID": parent}
        data = (encode(refusal) if error is not None else str(output)).encode()
        tags = message_tags(REPLY, ())
        outbox.append(Message(sent_id(parent, 0), sender, message.sender, REPLY, tags, data, "", sequence))
    for index, sent in enumerate(effects.messages, start=1):  # index 0 belongs to the reply, sent or not
        target, action = sent.target, sent.action
        if target in spawned or exists(target, before):
            tags, data = message_tags(action, sent.tags), sent.data.encode()
            outbox.append(Message(sent_id(parent, index), sender, target, action, tags, data, "", sequence))
    return Evaluated(outbox, spawned, output, error)


def receive(process: Process | None, message: Message, context: Context) -> tuple[Effects, str | None, str | None]:
    """Run the handler; returns effects, reply as JSON text, and error. If the handler raises, the state stays as is."""
    if process is None:
        return _refused(message, "the process was not started")
    before = process.state
    try:
        effects = process.receive(message, context)
        output = None if effects.reply is None else encode(effects.reply)
        if output is not None and len(output) > process.answer_characters_safe:
            process.check_answer(message.action, output)
        return effects, output, None
    except Refusal as refusal:
        process.state = before
        reason = str(refusal)
        if len(reason) > REFUSAL_CHARACTERS_MAX and process.is_limited:
            reason = reason[: REFUSAL_CHARACTERS_MAX - 1] + "…"
        return _refused(message, reason)
    except Exception as fault:  # a handler's error is its result, and the process continues
        process.state = before
        return _refused(message, f"{type(fault).__name__} in the handler of {message.action!r}")


def _refused(message: Message, reason: str) -> tuple[Effects, str | None, str]:
    if message.action == REPLY:  # a reply never gets a reply
        return Effects(None), None, reason
    refusal = {"status": "error", "message": reason}
    return Effects(refusal), encode(refusal), reason
