"""Compares the rows of messages from outside with the items that their senders signed."""

from collections.abc import Iterator

from actors.ans104.item import DataItem, ItemRefused, message_of, parse
from eventstore import Assignment, LogFault, Message

_ANY_LENGTH = 2**40


def envelope_fault(assignment: Assignment) -> LogFault | None:
    """The fault of a message from outside; None if there is none.

    It is a fault if the row holds no signed item, a column differs from the item, or the signature does not match.
    """
    message = assignment.message
    try:
        item = parse((message.envelope or b"") + message.data, data_bytes_max=_ANY_LENGTH)
    except (ItemRefused, TypeError) as error:
        return LogFault.at(assignment, f"no signed item: {error}", "one", None)
    signed = message_of(item)
    if signed != message or item.starts_process != (assignment.slot == 0):
        return next(_differences(assignment, item, signed))
    try:
        item.verify()
    except ItemRefused as refusal:
        return LogFault.at(assignment, "signature", f"that of {message.sender}", str(refusal))
    return None


def _differences(assignment: Assignment, item: DataItem, signed: Message) -> Iterator[LogFault]:
    """The columns that differ from the signed item."""
    stored = assignment.message
    for column, expected, found in (
        ("message_id", signed.id, stored.id),
        ("sender", signed.sender, stored.sender),
        ("process", signed.target, stored.target),
        ("action", signed.action, stored.action),
        ("tags", signed.tags, stored.tags),
        ("anchor", signed.anchor, stored.anchor),
        ("parent", signed.parent, stored.parent),
        ("slot of a process's first message", item.starts_process, assignment.slot == 0),
    ):
        if expected != found:
            yield LogFault.at(assignment, f"{column} is not what was signed", expected, found)
