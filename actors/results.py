"""Results, put together from a message and what it sent: the same live, and years later from the log."""

from collections.abc import Iterable, Sequence

from actors.ids import sent_id
from actors.jsontext import decode
from actors.messages import REPLY, Result, Sent, Spawned
from actors.world import SPAWN
from eventstore import EventLog, Message


def result_of(
    message: Message, outbox: Iterable[Message], *, output: str | None, error: str | None, sequence: int
) -> Result:
    """The result of a message.

    Args:
        message: what was evaluated.
        outbox: the messages that it sent to processes, in order.
        output: its answer; goes first, as a message, where a wallet waits for it.
        error: why it was refused.
        sequence: its place in the log, 0 for none.
    """
    messages, spawns = [], []
    if output is not None and message.parent is None:
        messages.append(Sent(sent_id(message.id, 0), message.sender, REPLY, output))
    for sent in outbox:
        tags = tuple((name, value) for name, value in decode(sent.tags.encode()))
        if sent.action == SPAWN and sent.id == sent.target:
            named = dict(tags)
            spawns.append(Spawned(sent.id, named["Module"], named["Owner"], sent.data.decode()))
        else:
            messages.append(Sent(sent.id, sent.target, sent.action, sent.data.decode(), tags[1:]))
    return Result(tuple(messages), tuple(spawns), output, error, message.id, sequence)


def recall(log: EventLog, message_ids: Sequence[str]) -> dict[str, Result]:
    """The results of those of the messages that the log holds."""
    results = {}
    for message_id in log.known(message_ids):
        found = log.find(message_id)
        assert found is not None
        outbox = [child.message for child in log.children(found.sequence)]
        results[message_id] = result_of(
            found.message, outbox, output=found.output, error=found.error, sequence=found.sequence
        )
    return results
