"""Transactions of the archive: signed bundles of messages, each naming the one before (relation-one-im.md 8).

A transaction is a data item (ANS-104) whose data is a bundle with a data item for each message. The same messages,
packed by the same key behind the same transaction, are the same bytes: to upload them twice is to upload them once.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import msgspec

from actors.ans104.bundle import Bundle, BundleUnusable, write_bundle
from actors.ans104.item import ItemRefused, item_id, parse
from actors.ans104.signer import Signer
from actors.processes.relation.message import RelationMessage, check_message
from actors.protocol.messages import Refusal
from eventstore.records import decode_id

_KIND = (("App-Name", "mostao"), ("Type", "Messages"), ("Bundle-Format", "binary"), ("Bundle-Version", "2.0.0"))
PREVIOUS, FIRST = "Previous", "First"


class TransactionFalse(Exception):
    """A transaction that is not what it says it is, with the reason."""


class Transaction(NamedTuple):
    """A transaction that was read, every signature in it verified."""

    id: str
    owner: str
    """Address of whoever packed it."""
    previous: str
    """Id of the one before; empty for the first."""
    first: int
    """How many messages come before its own."""
    messages: tuple[RelationMessage, ...]


def pack(messages: Sequence[Any], *, previous: str, first: int, key: Signer) -> bytes:
    """A transaction.

    Args:
        messages: as JSON values.
        previous: id of the transaction before; empty for the first.
        first: how many messages come before.
        key: signs it, and each message's item.
    """
    data = BytesIO()
    write_bundle(data, (_item(message, key) for message in messages))
    chain = [(PREVIOUS, previous)] if previous else []
    return key.sign(data=data.getvalue(), tags=[*_KIND, *chain, (FIRST, str(first))])


def transaction_id(raw: bytes) -> str:
    """What a transaction is called."""
    return item_id(raw)


def unpack(raw: bytes, id_: str) -> Transaction:
    """Read a transaction and verify it: its own signature, that of each item, and each message as its sender signed it.

    Raises:
        TransactionFalse: something in it is not so.
    """
    try:
        item = parse(raw, data_bytes_max=len(raw))
        if item.id != id_:
            raise TransactionFalse(f"transaction {id_} is not what is kept under that id: that is {item.id}")
        item.verify()
        first = item.tag(FIRST)
        if tuple(item.tags[: len(_KIND)]) != _KIND or not (first.isascii() and first.isdigit()):
            raise TransactionFalse(f"transaction {id_} is no pack of messages")
        if item.tag(PREVIOUS):
            decode_id(item.tag(PREVIOUS))
        messages = tuple(_message(part, item.sender) for part in Bundle.of_bytes(item.data, "its bundle").items())
    except (ItemRefused, BundleUnusable, Refusal, ValueError) as error:
        raise TransactionFalse(f"transaction {id_}: {error}") from None
    return Transaction(item.id, item.sender, item.tag(PREVIOUS), int(first), messages)


def _item(message: Any, key: Signer) -> bytes:
    tags = [("Content-Type", "application/json"), ("Message-Id", message["id"])]
    return key.sign(data=msgspec.json.encode(message), tags=tags)


def _message(raw: bytes, owner: str) -> RelationMessage:
    item = parse(raw, data_bytes_max=len(raw))
    item.verify()
    if item.sender != owner:
        raise ItemRefused("an item in it was signed by somebody else")
    message = msgspec.json.decode(item.data, type=RelationMessage)
    check_message(message, now=message.timestamp)
    return message
