"""The manifest of an export: its first item, signed by the node, with size and state root of the history."""

import msgspec

from actors.ans104.item import DataItem
from actors.ans104.signer import Signer
from actors.protocol.canonical_json import decode_as

_KIND = (("App-Name", "mostao"), ("Type", "Export"))


class Manifest(msgspec.Struct, frozen=True, rename="pascal"):
    """Size, scope and state root of an exported history."""

    events: int
    whole: bool
    """Whether the export holds the whole log, or only some of its processes."""
    state_root: str
    """State root over the exported processes, in hex."""


def manifest_item(manifest: Manifest, key: Signer) -> bytes:
    """Sign a manifest; returns a data item."""
    return key.sign(tags=list(_KIND), data=msgspec.json.encode(manifest))


def manifest_of(item: DataItem) -> Manifest | None:
    """The manifest in an item; None if the item is not a manifest."""
    if tuple(item.tags) != _KIND:
        return None
    try:
        return decode_as(item.data, Manifest)
    except ValueError:
        return None
