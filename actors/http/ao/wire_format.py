"""Results, cursors and dryruns as AO's clients write them."""

from base64 import b64decode, b64encode, urlsafe_b64encode
from typing import Any

import msgspec

from actors.ans104.item import DataItem
from actors.protocol.messages import Result, Sent, Spawned

PROTOCOL = (("Data-Protocol", "ao"), ("Type", "Message"), ("Variant", "ao.TN.1"))
_PROTOCOL_NAMES = {name for name, _ in PROTOCOL}


class Tag(msgspec.Struct):
    """A tag of a dryrun."""

    name: str
    value: str


class DryRun(msgspec.Struct, rename="pascal"):
    """The body of a dryrun. ``Owner`` is a claim that nobody proves."""

    target: str = ""
    owner: str = ""
    data: str = ""
    tags: list[Tag] = []

    @property
    def action(self) -> str:
        """The first tag of that name, or empty."""
        return next((tag.value for tag in self.tags if tag.name == "Action"), "")

    @property
    def others(self) -> list[tuple[str, str]]:
        """The tags that are neither the action nor the protocol's."""
        return [(tag.name, tag.value) for tag in self.tags if tag.name not in _PROTOCOL_NAMES | {"Action"}]


class Cursor(msgspec.Struct):
    """A place among a process's results."""

    timestamp: int
    ordinate: str
    """The slot."""
    cron: str | None = None
    sort: str = "ASC"

    def text(self) -> str:
        """As clients hand it back."""
        return b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def slot_of(cls, text: str) -> int:
        """The slot of a cursor.

        Raises:
            ValueError: it is none.
        """
        try:
            return int(msgspec.json.decode(b64decode(text, validate=True), type=cls).ordinate)
        except (msgspec.MsgspecError, ValueError):
            raise ValueError(f"{text[:64]!r} is no cursor of this node") from None


def result_words(result: Result) -> dict[str, Any]:
    """A result as a compute unit answers it. The reply to whoever asked is the first of its messages."""
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


def item_words(item: DataItem, id_: str = "") -> dict[str, Any]:
    """A data item as schedulers and gateways tell it.

    Args:
        item: which.
        id_: what it is called in the log, where that is not the item's own id.
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
