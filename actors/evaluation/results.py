"""Results, built from a message and its outbox: the same on a live node and from the log."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from actors.protocol.canonical_json import decode
from actors.protocol.derived_ids import sent_id
from actors.protocol.messages import REPLY, Result, Sent, Spawned, Tags
from actors.protocol.spawn import starts_process
from eventstore import Assignment, LogFile, Message

_BACKWARD_SLOTS = 16
"""Slots that are read at once from the newest backwards."""


def result_of(
    message: Message, outbox: Iterable[Message], *, output: str | None, error: str | None, sequence: int
) -> Result:
    """Build the result of a message.

    Args:
        message: the evaluated message.
        outbox: the messages that it sent to processes, in order.
        output: the reply as JSON text. If a wallet sent the message, the reply is the first message of the result.
        error: reason of the refusal, or None.
        sequence: sequence of the message; 0 for a dryrun.
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


@lru_cache(maxsize=1024)  # processes repeat the same few tags
def _tags(text: str) -> Tags:
    return tuple((name, value) for name, value in decode(text.encode()))


def find_results(log: LogFile, message_ids: Sequence[str]) -> dict[str, Result]:
    """The results of messages, by id. Messages that the log does not hold are left out."""
    rows = [log.find(message_id) for message_id in log.existing_ids(message_ids)]
    return {row.message.id: _result_of_row(log, row) for row in rows if row is not None}


def find_result(log: LogFile, message_id: str) -> tuple[Assignment, Result] | None:
    """Assignment and result of a message; None if the log does not hold it."""
    row = log.find(message_id)
    return None if row is None else (row, _result_of_row(log, row))


def past_results(
    log: LogFile,
    process: str,
    *,
    after: int | None,
    until: int | None,
    limit: int,
    newest_first: bool,
    whole: int,
) -> Iterator[tuple[Assignment, Result]]:
    """A page of the assignments of a process and their results, read as they are taken.

    Args:
        log: log to read.
        process: process id.
        after: only slots after this one, in the direction of reading.
        until: only slots up to this one, in the direction of reading.
        limit: maximum number of results.
        newest_first: read from the newest slot backwards.
        whole: quiescent sequence: the log holds every message that messages up to it caused. Later messages are left
            out.
    """
    head = log.process_head(process, until=whole)
    if head is None:
        return
    if newest_first:
        high = head.slot if after is None else min(after - 1, head.slot)
        low = max(until or 0, high - limit + 1)
    else:
        high = head.slot if until is None else min(until, head.slot)
        low = 0 if after is None else after + 1
    end = min(high + 1, low + limit)
    if newest_first:
        for stop in range(end, low, -_BACKWARD_SLOTS):
            start = max(stop - _BACKWARD_SLOTS, low)
            for row in reversed(list(log.read_process(process, from_slot=start, limit=stop - start))):
                yield row, _result_of_row(log, row)
    elif low < end:
        for row in log.read_process(process, from_slot=low, limit=end - low):
            yield row, _result_of_row(log, row)


def _result_of_row(log: LogFile, row: Assignment) -> Result:
    outbox = [child.message for child in log.children(row.sequence)]
    return result_of(row.message, outbox, output=row.output, error=row.error, sequence=row.sequence)
