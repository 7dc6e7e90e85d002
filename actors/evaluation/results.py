"""Results, put together from a message and what it sent: the same live, and years later from the log."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from actors.protocol.canonical_json import decode
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Result, Sent, Spawned, Tags
from actors.protocol.spawn import starts_process
from eventstore import Assignment, LogFile, Message


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
        tags = _tags(sent.tags)
        if starts_process(sent):
            named = dict(tags)
            spawns.append(Spawned(sent.id, named["Module"], named["Owner"], sent.data.decode()))
        else:
            messages.append(Sent(sent.id, sent.target, sent.action, sent.data.decode(), tags[1:]))
    return Result(tuple(messages), tuple(spawns), output, error, message.id, sequence)


@lru_cache(maxsize=1024)  # processes send the same few over and over
def _tags(text: str) -> Tags:
    return tuple((name, value) for name, value in decode(text.encode()))


def recall(log: LogFile, message_ids: Sequence[str]) -> dict[str, Result]:
    """The results of those of the messages that the log holds."""
    found = [log.find(message_id) for message_id in log.existing_ids(message_ids)]
    return {row.message.id: _of_row(log, row) for row in found if row is not None}


def outcome_of(log: LogFile, message_id: str) -> tuple[Assignment, Result] | None:
    """A message's place in the log and what it gave; None if the log does not have it."""
    row = log.find(message_id)
    return None if row is None else (row, _of_row(log, row))


def past_results(
    log: LogFile,
    process: str,
    *,
    after: int | None,
    until: int | None,
    limit: int,
    newest_first: bool,
    whole: int,
) -> list[tuple[Assignment, Result]]:
    """What a process received, and what each gave.

    Args:
        log: where it stands.
        process: whose.
        after: only behind this slot, in the direction asked for.
        until: only up to this slot, likewise.
        limit: so many at most.
        newest_first: backwards.
        whole: sequence up to which messages stand with all that they caused; later ones are left out.
    """
    head = log.process_head(process, until=whole)
    if head is None:
        return []
    if newest_first:
        high = head.slot if after is None else min(after - 1, head.slot)
        low = max(until or 0, high - limit + 1)
    else:
        high = head.slot if until is None else min(until, head.slot)
        low = 0 if after is None else after + 1
    count = min(limit, high - low + 1)
    if count <= 0:
        return []
    rows = list(log.read_process(process, from_slot=low, limit=count))
    return [(row, _of_row(log, row)) for row in (reversed(rows) if newest_first else rows)]


def _of_row(log: LogFile, row: Assignment) -> Result:
    outbox = [child.message for child in log.children(row.sequence)]
    return result_of(row.message, outbox, output=row.output, error=row.error, sequence=row.sequence)
