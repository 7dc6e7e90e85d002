"""An archive on Arweave, through a gateway."""

from base64 import b64decode

import msgspec

from actors.ans104.item import ItemRefused, parse, unsigned
from actors.crypto.schemes import SCHEMES
from actors.protocol.canonical_json import decode_as
from actors.relation.archives import TRANSACTION_BYTES_MAX, ArchiveFailed, ArchiveRefused, NotArchived, too_large
from actors.relation.gateway_client import IDLE_S, REQUEST_S, BodyTooLarge, GatewayClient
from actors.relation.transactions import SIGNATURE_TYPE
from eventstore.records import decode_id

_FIELDS_BYTES_MAX = 1_000_000
"""Limit of a response without a transaction's data."""
_FIELDS = """
query ($id: ID!) {
    transactions(ids: [$id]) {
        edges { node { id anchor signature recipient owner { key } tags { name value } } }
    }
}
"""


class _Tag(msgspec.Struct):
    name: str
    value: str


class _Owner(msgspec.Struct):
    key: str


class _Node(msgspec.Struct):
    signature: str
    owner: _Owner
    tags: list[_Tag]
    anchor: str = ""
    recipient: str = ""


class _Edge(msgspec.Struct):
    node: _Node


class _Transactions(msgspec.Struct):
    edges: list[_Edge]


class _Data(msgspec.Struct):
    transactions: _Transactions


class _Response(msgspec.Struct):
    data: _Data


class GatewayArchive:
    """Arweave over HTTP. Writes data items to a bundler's ``/tx``; reads them from a gateway's GraphQL and data.

    Args:
        url: the gateway's URL.
        transaction_bytes_max: limit of a transaction that is read.
        idle_s: limit of the time without a byte.
        request_s: limit of a request's time, in addition to the time of its bytes.
    """

    def __init__(
        self,
        url: str,
        *,
        transaction_bytes_max: int = TRANSACTION_BYTES_MAX,
        idle_s: float = IDLE_S,
        request_s: float = REQUEST_S,
    ) -> None:
        self._client = GatewayClient(url, idle_s=idle_s, request_s=request_s)
        self._bytes_max = transaction_bytes_max

    async def put(self, raw: bytes) -> None:
        """Upload a transaction."""
        response = await self._client.post("/tx", raw, "application/octet-stream", bytes_max=_FIELDS_BYTES_MAX)
        if response is None:
            raise ArchiveFailed(f"{self._client.url} does not accept transactions: it has no /tx")

    async def get(self, id_: str) -> bytes:
        """Read a transaction, assembled from the fields and the data that the gateway returns."""
        try:
            decode_id(id_)  # an id names no other resource
        except ValueError as error:
            raise ArchiveRefused(str(error)) from None
        node = await self._node(id_)
        data = await self._data(id_) if node is not None else None
        if node is None or data is None:
            raise NotArchived(f"there is no transaction {id_} at {self._client.url}")
        try:
            return _assemble(node, data)
        except (ValueError, ItemRefused) as error:
            raise ArchiveRefused(f"{self._client.url}, transaction {id_}: {error}") from None

    async def _node(self, id_: str) -> _Node | None:
        query = msgspec.json.encode({"query": _FIELDS, "variables": {"id": id_}})
        found = await self._client.post("/graphql", query, "application/json", bytes_max=_FIELDS_BYTES_MAX)
        try:
            edges = decode_as(found or b"", _Response).data.transactions.edges
        except ValueError as error:
            raise ArchiveFailed(f"{self._client.url} does not respond as an Arweave gateway ({error})") from None
        return edges[0].node if edges else None

    async def _data(self, id_: str) -> bytes | None:
        """A transaction's data. Where gateways redirect ``/ID`` to another origin, ``/raw/ID`` does not."""
        try:
            raw = await self._client.get(f"/raw/{id_}", bytes_max=self._bytes_max)
            return raw if raw is not None else await self._client.get(f"/{id_}", bytes_max=self._bytes_max)
        except BodyTooLarge:
            raise too_large(f"{self._client.url}/{id_}", self._bytes_max) from None


def _assemble(node: _Node, data: bytes) -> bytes:
    """A data item's bytes from a gateway's JSON fields and its data.

    A gateway does not return the signature type. Packs state it in a tag, which the signature covers. Older packs lack
    the tag. Their type is the one under which the signature is valid, because a signature covers its type, too.

    Raises:
        ValueError, ItemRefused: the fields are malformed, or the signature is valid under no type.
    """
    public_key, signature = _bytes(node.owner.key), _bytes(node.signature)
    tags = [(tag.name, tag.value) for tag in node.tags]
    _, rest = unsigned(
        kind=0,  # the type is in the signed bytes only, not in the rest
        public_key=public_key,
        target=decode_id(node.recipient) if node.recipient else b"",
        anchor=_bytes(node.anchor),
        tags=tags,
        data=data,
    )
    stated = dict(tags).get(SIGNATURE_TYPE)
    for kind in SCHEMES if stated is None else [_known_type(stated)]:
        raw = kind.to_bytes(2, "little") + signature + rest
        if _is_signed(raw, signature, public_key):
            return raw
    raise ItemRefused("its signature does not match" + ("" if stated is None else f" its signature type, {stated}"))


def _known_type(text: str) -> int:
    kind = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if kind not in SCHEMES:
        raise ItemRefused(f"unknown signature type {text[:40]!r}")
    return kind


def _is_signed(raw: bytes, signature: bytes, public_key: bytes) -> bool:
    try:
        item = parse(raw, data_bytes_max=len(raw))
    except ItemRefused:
        return False
    return (item.signature, item.public_key) == (signature, public_key) and item.signed.is_valid


def _bytes(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
