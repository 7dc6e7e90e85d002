"""AO's JSON formats: results, cursors, dryruns and data items."""

from base64 import b64decode, b64encode, urlsafe_b64encode
from typing import Any

import msgspec

from actors.ans104.item import DataItem
from actors.protocol.canonical_json import decode_as
from actors.protocol.messages import Result, Sent, Spawned

PROTOCOL = (("Data-Protocol", "ao"), ("Type", "Message"), ("Variant", "ao.TN.1"))
_PROTOCOL_NAMES = {name for name, _ in PROTOCOL}


class Tag(msgspec.Struct):
    """A tag of a dryrun."""

    name: str
    value: str


class DryRun(msgspec.Struct, rename="pascal"):
    """The body of a dryrun. ``Owner`` is not verified."""

    target: str = ""
    owner: str = ""
    data: str = ""
    tags: list[Tag] = []

    @property
    def action(self) -> str:
        """The value of the first ``Action`` tag; empty if there is none."""
        return next((tag.value for tag in self.tags if tag.name == "Action"), "")

    @property
    def other_tags(self) -> list[tuple[str, str]]:
        """The tags without ``Action`` and the protocol's own tags."""
        return [(tag.name, tag.value) for tag in self.tags if tag.name not in _PROTOCOL_NAMES | {"Action"}]


class Cursor(msgspec.Struct):
    """A position among a process's results."""

    timestamp: int
    ordinate: str
    """The slot."""
    cron: str | None = None
    sort: str = "ASC"

    def encode(self) -> str:
        """The text that clients send back to get the next page."""
        return b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def slot_of(cls, text: str) -> int:
        """The slot of an encoded cursor.

        Raises:
            ValueError: the text is not a cursor.
        """
        try:
            slot = int(decode_as(b64decode(text, validate=True), cls).ordinate)
        except ValueError:
            slot = -1
        if not 0 <= slot < 2**62:
            raise ValueError(f"{text[:64]!r} is not a cursor of this node")
        return slot


def result_json(result: Result) -> dict[str, Any]:
    """A result in the compute unit's format. Its first message is the reply to the sender."""
    return {
        "Messages": [_message(number, sent) for number, sent in enumerate(result.messages, start=1)],
        "Spawns": [_spawn(number, spawned) for number, spawned in enumerate(result.spawns, start=1)],
        "Assignments": [],
        "Output": result.output or "",
        **({"Error": result.error} if result.error is not None else {}),
        "GasUsed": 0,
    }


def _message(number: int, sent: Sent) -> dict[str, Any]:
    tags = [*PROTOCOL, ("Reference", str(number)), ("Action", sent.action), *sent.tags]
    return {"Target": sent.target, "Anchor": f"{number:032}", "Data": sent.data, "Tags": _tags(tags)}


def _spawn(number: int, spawned: Spawned) -> dict[str, Any]:
    tags = [
        ("Data-Protocol", "ao"),
        ("Type", "Process"),
        ("Variant", "ao.TN.1"),
        ("Reference", str(number)),
        ("Module", spawned.module),
        ("Owner", spawned.owner),
    ]
    return {"Anchor": f"{number:032}", "Data": spawned.data, "Tags": _tags(tags)}


def _tags(tags: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in tags]


def item_json(item: DataItem, id_: str = "") -> dict[str, Any]:
    """A data item in the format of schedulers and gateways.

    Args:
        item: the data item.
        id_: the message's id in the log, if it differs from the item's id.
    """
    return {
        "id": id_ or item.id,
        "owner": {"address": item.sender, "key": _base64url(item.public_key)},
        "target": item.target,
        "anchor": _base64url(item.anchor),
        "tags": _tags(item.tags),
        **_data(item.data),
        "signature": _base64url(item.signature),
    }


def _data(raw: bytes) -> dict[str, str]:
    try:
        return {"data": raw.decode()}
    except UnicodeDecodeError:
        return {"data": _base64url(raw), "data_encoding": "base64url"}


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
