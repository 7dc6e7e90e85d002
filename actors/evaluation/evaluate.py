"""Evaluating one message: what its handler answers, and the messages that come of it."""

from collections.abc import Callable, Sequence

import msgspec

from actors.processes import Process
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Context, Effects, Refusal, message_tags
from actors.protocol.spawn import spawn_message
from eventstore import Message

EVERYTHING = 2**62
"""Past every sequence."""


class Evaluated(msgspec.Struct, frozen=True, gc=False):
    """What evaluating a message gave, as far as others are concerned."""

    outbox: list[Message]
    """The messages to processes, in order: what it spawned, its reply if it goes to a process, the rest."""
    spawned: Sequence[str]
    """The processes that it spawned: targets of the first of the messages."""
    output: str | None
    """The answer as JSON text; None where there is none to give (a spawn, a reply)."""
    error: str | None
    """Why it was refused."""


def evaluate(
    process: Process | None, message: Message, context: Context, *, sequence: int, existed: Callable[[str, int], bool]
) -> Evaluated:
    """Have a process evaluate a message.

    Args:
        process: changes its state; None for one that was not started.
        message: what it receives.
        context: what else it may know.
        sequence: where the message stands in the log; 0 for a dryrun.
        existed: whether a process was there before a sequence: else what is sent to it has nowhere to go.
    """
    effects, output, error = receive(process, message, context)
    answered = context.from_process and output is not None and not (effects.quiet and error is None)
    if not answered and not effects.messages and not effects.spawns:
        return Evaluated([], (), output, error)
    sender, parent, before = message.target, message.id, sequence or EVERYTHING
    outbox = [
        spawn_message(spawn, place=place, by=message, sequence=sequence) for place, spawn in enumerate(effects.spawns)
    ]
    spawned = [sent.target for sent in outbox] if outbox else ()
    if answered and existed(message.sender, before):
        # whoever relayed a message that is refused wants to know which of its messages it was
        answer = {"status": "error", "message": error, "messageID": parent}
        data = (encode(answer) if error is not None else str(output)).encode()
        tags = message_tags(REPLY, ())
        outbox.append(Message(sent_id(parent, 0), sender, message.sender, REPLY, tags, data, "", sequence))
    for place, sent in enumerate(effects.messages, start=1):  # place 0 is the reply's, also where none is sent
        target, action = sent.target, sent.action
        if target in spawned or existed(target, before):
            tags, data = message_tags(action, sent.tags), sent.data.encode()
            outbox.append(Message(sent_id(parent, place), sender, target, action, tags, data, "", sequence))
    return Evaluated(outbox, spawned, output, error)


def receive(process: Process | None, message: Message, context: Context) -> tuple[Effects, str | None, str | None]:
    """Effects, answer as JSON text, and error. Whatever a handler raises leaves the state as it was."""
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
