"""Rows held against the items that their senders signed."""

from collections.abc import Iterator

from actors.ans104.item import DataItem, ItemRefused, message_of, parse
from eventstore import Assignment, LogFault, Message

_ANY_LENGTH = 2**40


def envelope_fault(assignment: Assignment) -> LogFault | None:
    """What is wrong with a message from outside: it is no signed item, shows something else than was signed, or the
    signature is not its sender's. None if it is genuine.
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
    """Columns that do not show what the signed item says."""
    shown = assignment.message
    for column, due, found in (
        ("message_id", signed.id, shown.id),
        ("sender", signed.sender, shown.sender),
        ("process", signed.target, shown.target),
        ("action", signed.action, shown.action),
        ("tags", signed.tags, shown.tags),
        ("anchor", signed.anchor, shown.anchor),
        ("parent", signed.parent, shown.parent),
        ("slot of a process's first message", item.starts_process, assignment.slot == 0),
    ):
        if due != found:
            yield LogFault.at(assignment, f"{column} is not what was signed", due, found)
