"""Messages between processes as signed data items: the form in which they leave the log.

In the log they carry no signature; the audit proves them by evaluating their parent again. To others the node says,
with its own key and as AO's messengers do, which process sent them and what it was that began it all.
"""

import msgspec

from actors.ans104.item import DataItem
from actors.ans104.signer import Signer
from actors.ans104.tags import TagsMalformed
from actors.protocol.canonical_json import decode, encode
from actors.protocol.spawn import module_of
from eventstore import Assignment, LogFile, Message

_ADDED = ("Data-Protocol", "Variant", "From-Process", "From-Module", "Pushed-For", "Reference", "Id")
"""Tags that follow the message's own."""
IN_DATA = "application/vnd.mostao.message+json"
"""Content type of an item whose message has more tags than an item can: its data is ``_Whole``."""


class _Whole(msgspec.Struct):
    tags: list[tuple[str, str]]
    data: bytes


class NotPushed(ValueError):
    """An item that is no message between processes."""


def item_of(log: LogFile, row: Assignment, key: Signer) -> bytes:
    """A message of the log as a signed data item: its sender's own, or one of the node's.

    Args:
        log: where the message stands.
        row: its assignment.
        key: the node's.
    """
    message = row.message
    if message.envelope is not None:
        return message.envelope + message.data
    first = next(log.read_process(message.sender, limit=1))
    parent, pushed_for = _origin(log, row)
    reference = next(
        place for place, sent in enumerate(log.children(parent.sequence), start=1) if sent.sequence == row.sequence
    )
    values = ("ao", "ao.TN.1", message.sender, module_of(first.message), pushed_for, str(reference), message.id)
    added = list(zip(_ADDED, values, strict=True))
    tags = [(str(name), str(value)) for name, value in decode(message.tags.encode())]
    try:
        return key.sign(target=message.target, tags=[*tags, *added], data=message.data)
    except TagsMalformed:
        whole = msgspec.json.encode(_Whole(tags, message.data))
        return key.sign(target=message.target, tags=[("Content-Type", IN_DATA), *added], data=whole)


def message_in(item: DataItem, *, parent: int) -> Message:
    """The message between processes that an item of ``item_of`` holds.

    Args:
        item: from whoever has the log.
        parent: sequence of the message that caused it.

    Raises:
        NotPushed: it is another kind of item.
    """
    own, added = item.tags[: -len(_ADDED)], item.tags[-len(_ADDED) :]
    if tuple(name for name, _ in added) != _ADDED:
        raise NotPushed(f"item {item.id} is no message that a process sent")
    data, values = item.data, dict(added)
    if own == [("Content-Type", IN_DATA)]:
        try:
            whole = msgspec.json.decode(data, type=_Whole)
        except msgspec.MsgspecError as error:
            raise NotPushed(f"item {item.id} does not hold its message: {error}") from None
        own, data = whole.tags, whole.data
    action = next((value for name, value in own if name == "Action"), "")
    return Message(values["Id"], values["From-Process"], item.target, action, encode(own), data, "", parent)


def _origin(log: LogFile, row: Assignment) -> tuple[Assignment, str]:
    """The message whose evaluation sent this one, and the id of the one from outside that began it all."""
    parents = []
    while row.message.parent is not None:
        row = next(log.read(after=row.message.parent - 1, until=row.message.parent))
        parents.append(row)
    return parents[0], row.message.id
