"""Transactions of the archive: signed bundles of messages, each naming the one before (relation-one-im.md 8).

A transaction is a data item (ANS-104) whose data is a bundle with a data item for each message. Packing is
deterministic: the same messages, key and previous transaction give the same bytes, so a repeated upload is harmless.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import msgspec

from actors.ans104.bundle import Bundle, BundleUnusable, write_bundle
from actors.ans104.item import ItemRefused, item_id, parse
from actors.ans104.signer import Signer
from actors.processes.relation.message import RelationMessage, check_message
from actors.protocol.canonical_json import decode_as
from actors.protocol.messages import Refusal
from eventstore.records import decode_id

_KIND = (("App-Name", "mostao"), ("Type", "Messages"), ("Bundle-Format", "binary"), ("Bundle-Version", "2.0.0"))
PREVIOUS, FIRST = "Previous", "First"
SIGNATURE_TYPE = "Signature-Type"
"""The tag with the ANS-104 signature type, which gateways do not return. Packs of earlier versions lack it."""


class TransactionInvalid(Exception):
    """A transaction is invalid, with the reason."""


class Transaction(NamedTuple):
    """A transaction whose signatures have all been verified."""

    id: str
    owner: str
    """Address of the key that packed it."""
    previous: str
    """Id of the previous transaction; empty for the first."""
    first: int
    """Index of its first message: the number of messages in all earlier transactions."""
    messages: tuple[RelationMessage, ...]


def pack(messages: Sequence[Any], *, previous: str, first: int, key: Signer) -> bytes:
    """The bytes of a transaction.

    Args:
        messages: the messages as JSON values.
        previous: id of the previous transaction; empty for the first.
        first: number of messages in all earlier transactions.
        key: signs the transaction and each message's item.
    """
    data = BytesIO()
    write_bundle(data, (_item(message, key) for message in messages))
    chain = [(PREVIOUS, previous)] if previous else []
    own = [(FIRST, str(first)), (SIGNATURE_TYPE, str(key.kind))]
    return key.sign(data=data.getvalue(), tags=[*_KIND, *chain, *own])


def transaction_id(raw: bytes) -> str:
    """The id of a transaction."""
    return item_id(raw)


def unpack(raw: bytes, id_: str) -> Transaction:
    """Read a transaction. Verifies its id and signature, the signature of each item, and each message's signatures.

    Raises:
        TransactionInvalid: the bytes are malformed, or a check fails.
    """
    try:
        item = parse(raw, data_bytes_max=len(raw))
        if item.id != id_:
            raise TransactionInvalid(f"the archive has another transaction under the id {id_}: {item.id}")
        item.verify()
        first = item.tag(FIRST)
        if tuple(item.tags[: len(_KIND)]) != _KIND or not (first.isascii() and first.isdigit()):
            raise TransactionInvalid(f"transaction {id_} is not a pack of messages")
        if item.tag(SIGNATURE_TYPE) not in ("", str(item.signed.kind)):
            raise TransactionInvalid(f"transaction {id_} states another signature type than its own")
        if item.tag(PREVIOUS):
            decode_id(item.tag(PREVIOUS))
        messages = tuple(_message(part, item.sender) for part in Bundle.of_bytes(item.data, "its bundle").items())
    except (ItemRefused, BundleUnusable, Refusal, ValueError) as error:
        raise TransactionInvalid(f"transaction {id_}: {error}") from None
    if not messages:
        raise TransactionInvalid(f"transaction {id_} has no messages")
    return Transaction(item.id, item.sender, item.tag(PREVIOUS), int(first), messages)


def _item(message: Any, key: Signer) -> bytes:
    tags = [("Content-Type", "application/json"), ("Message-Id", message["id"])]
    return key.sign(data=msgspec.json.encode(message), tags=tags)


def _message(raw: bytes, owner: str) -> RelationMessage:
    item = parse(raw, data_bytes_max=len(raw))
    item.verify()
    if item.sender != owner:
        raise ItemRefused(f"an item in it is signed by {item.sender}, not by {owner}")
    message = decode_as(item.data, RelationMessage)
    check_message(message, now=message.timestamp)
    return message
