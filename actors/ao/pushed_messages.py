"""Messages between processes as signed data items, for export and for AO's clients.

In the log they carry no signature; the audit proves them by evaluating their parent again. For other readers the node
signs them, as AO's messenger units do, with tags for the sending process and the first message of the causal chain.
"""

import msgspec

from actors.ans104.item import DataItem
from actors.ans104.signer import Signer
from actors.ans104.tags import TagsMalformed
from actors.protocol.canonical_json import decode, encode
from actors.protocol.spawn import module_of
from eventstore import Assignment, LogFile, Message

ADDED = ("Data-Protocol", "Variant", "From-Process", "From-Module", "Pushed-For", "Reference", "Id")
"""Tags that follow the tags of the message."""
IN_DATA = "application/vnd.mostao.message+json"
"""Content type of an item whose message has more tags than an item allows: its data is a ``_TaggedMessage``."""


class _TaggedMessage(msgspec.Struct):
    tags: list[tuple[str, str]]
    data: bytes


class NotPushed(ValueError):
    """The item is not a message between processes."""


def item_of(log: LogFile, row: Assignment, key: Signer) -> bytes:
    """A message of the log as a data item: signed by its sender, or by the node if a process sent it.

    Args:
        log: log that holds the message.
        row: assignment of the message.
        key: key of the node.
    """
    message = row.message
    if message.envelope is not None:
        return message.envelope + message.data
    first = next(log.read_process(message.sender, limit=1))
    parent, pushed_for = _origin(log, row)
    reference = next(
        index for index, sent in enumerate(log.children(parent.sequence), start=1) if sent.sequence == row.sequence
    )
    values = ("ao", "ao.TN.1", message.sender, module_of(first.message), pushed_for, str(reference), message.id)
    added = list(zip(ADDED, values, strict=True))
    tags = [(str(name), str(value)) for name, value in decode(message.tags.encode())]
    try:
        return key.sign(target=message.target, tags=[*tags, *added], data=message.data)
    except TagsMalformed:
        tagged = msgspec.json.encode(_TaggedMessage(tags, message.data))
        return key.sign(target=message.target, tags=[("Content-Type", IN_DATA), *added], data=tagged)


def message_in(item: DataItem, *, parent: int) -> Message:
    """The message between processes in an item that ``item_of`` made.

    Args:
        item: a verified item.
        parent: sequence of the message whose evaluation sent it.

    Raises:
        NotPushed: the item does not hold a message between processes.
    """
    own, added = item.tags[: -len(ADDED)], item.tags[-len(ADDED) :]
    if tuple(name for name, _ in added) != ADDED:
        raise NotPushed(f"item {item.id} is no message that a process sent")
    data, values = item.data, dict(added)
    if own == [("Content-Type", IN_DATA)]:
        try:
            tagged = msgspec.json.decode(data, type=_TaggedMessage)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NotPushed(f"item {item.id} does not hold its message: {error}") from None
        own, data = tagged.tags, tagged.data
    action = next((value for name, value in own if name == "Action"), "")
    return Message(values["Id"], values["From-Process"], item.target, action, encode(own), data, "", parent)


def _origin(log: LogFile, row: Assignment) -> tuple[Assignment, str]:
    """The parent of a message, and the id of the message from outside that started the causal chain."""
    parents = []
    while row.message.parent is not None:
        row = next(log.read(after=row.message.parent - 1, until=row.message.parent))
        parents.append(row)
    return parents[0], row.message.id
