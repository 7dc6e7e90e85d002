"""The first item of an exported history: what it is of, and what it comes to. Signed by the node."""

import msgspec

from actors.ans104.item import DataItem
from actors.ans104.signer import Signer

_KIND = (("App-Name", "mostao"), ("Type", "Export"))


class Manifest(msgspec.Struct, frozen=True, rename="pascal"):
    """What a bundle of a history says of itself."""

    events: int
    whole: bool
    """Whether it is all of a log, or some of its processes."""
    state_root: str
    """Over the processes that it is of, in hex."""


def manifest_item(manifest: Manifest, key: Signer) -> bytes:
    """The manifest as a signed item."""
    return key.sign(tags=list(_KIND), data=msgspec.json.encode(manifest))


def manifest_of(item: DataItem) -> Manifest | None:
    """The manifest that an item is; None if it is none."""
    if tuple(item.tags) != _KIND:
        return None
    try:
        return msgspec.json.decode(item.data, type=Manifest)
    except msgspec.MsgspecError:
        return None
