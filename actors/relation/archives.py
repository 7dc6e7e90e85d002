"""Archives that store transactions: a folder, or Arweave through a gateway."""

import asyncio
import os
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from actors.ans104.item import ItemRefused, item_id, parse, unsigned
from actors.crypto.schemes import SCHEMES
from eventstore.records import decode_id

SUFFIX = ".ans104"
TIMEOUT_S = 60
_HEADER = """
query ($id: ID!) {
    transactions(ids: [$id]) {
        edges { node { id anchor signature recipient owner { key } tags { name value } } }
    }
}
"""


class ArchiveFailed(Exception):
    """An archive cannot be read or written, with the reason. A retry is safe."""


class NotArchived(ArchiveFailed):
    """The archive has no transaction with this id."""


class ArchiveStore(Protocol):
    """Stores transactions by their ids."""

    async def put(self, raw: bytes) -> None:
        """Store a transaction. Storing it again changes nothing.

        Raises:
            ArchiveFailed: the transaction may not be stored.
        """

    async def get(self, id_: str) -> bytes:
        """Read a transaction.

        Raises:
            NotArchived: there is no transaction with this id.
            ArchiveFailed: the transaction cannot be read.
        """


def archive_at(location: str) -> ArchiveStore:
    """The archive at a gateway's URL or in a folder."""
    if urlsplit(location).scheme in ("http", "https"):
        return GatewayArchive(location)
    return FolderArchive(Path(location))


class FolderArchive:
    """Stores each transaction in a file named by its id. Writes are atomic: no file is ever incomplete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, raw: bytes) -> None:
        """Store a transaction durably."""
        await asyncio.to_thread(self._put, raw)

    async def get(self, id_: str) -> bytes:
        """Read a transaction."""
        try:
            return await asyncio.to_thread((self._folder / (id_ + SUFFIX)).read_bytes)
        except FileNotFoundError:
            raise NotArchived(f"there is no transaction {id_} in {self._folder}") from None
        except OSError as error:
            raise ArchiveFailed(f"the archive {self._folder} cannot be read ({error.strerror})") from None

    def _put(self, raw: bytes) -> None:
        path = self._folder / (item_id(raw) + SUFFIX)
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                return
            with part.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # makes the file's name durable, too
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ArchiveFailed(f"the archive {self._folder} cannot be written ({error.strerror})") from None


class GatewayArchive:
    """Arweave over HTTP. Writes data items to a bundler's ``/tx``; reads them from a gateway's GraphQL and data."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def put(self, raw: bytes) -> None:
        """Upload a transaction."""
        if await self._request("POST", "/tx", raw, "application/octet-stream") is None:
            raise ArchiveFailed(f"{self._url} does not accept transactions: it has no /tx")

    async def get(self, id_: str) -> bytes:
        """Read a transaction, assembled from the fields and the data that the gateway returns."""
        query = msgspec.json.encode({"query": _HEADER, "variables": {"id": id_}})
        found = await self._request("POST", "/graphql", query, "application/json")
        data = await self._request("GET", f"/{id_}")
        try:
            edges = msgspec.json.decode(found or b"{}")["data"]["transactions"]["edges"]
            if not edges or data is None:
                raise NotArchived(f"there is no transaction {id_} at {self._url}")
            return _assemble(edges[0]["node"], data)
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
            raise ArchiveFailed(f"{self._url} does not respond as an Arweave gateway ({error!r})") from None

    async def _request(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes | None:
        """The body of a response; None for 404."""
        from pyreqwest.client import ClientBuilder  # slow to import, and a folder archive does not need it
        from pyreqwest.exceptions import PyreqwestError

        try:
            async with ClientBuilder().timeout(timedelta(seconds=TIMEOUT_S)).build() as client:
                request = client.request(method, self._url + path)
                if body:
                    request = request.header("Content-Type", kind).body_bytes(body)
                response = await request.build().send()
                if response.status == 404:
                    return None
                if response.status >= 400:
                    text = (await response.text())[:200]
                    raise ArchiveFailed(f"{self._url}{path} responded with {response.status}: {text}")
                return bytes(await response.bytes())
        except (PyreqwestError, ValueError) as error:  # ValueError: the URL is malformed
            raise ArchiveFailed(f"{self._url} does not respond ({error})") from None


def _assemble(node: Any, data: bytes) -> bytes:
    """A data item's bytes from a gateway's JSON fields and its data."""
    public_key, signature = _bytes(node["owner"]["key"]), _bytes(node["signature"])
    lengths = len(signature), len(public_key)
    kinds = [kind for kind, scheme in SCHEMES.items() if (_length(scheme.signature), _length(scheme.key)) == lengths]
    _, rest = unsigned(
        kind=0,  # the type is in the signed bytes only, not in the rest
        public_key=public_key,
        target=decode_id(node["recipient"]) if node["recipient"] else b"",
        anchor=_bytes(node["anchor"]),
        tags=[(tag["name"], tag["value"]) for tag in node["tags"]],
        data=data,
    )
    items = [kind.to_bytes(2, "little") + signature + rest for kind in kinds or [0]]
    # A gateway does not return the signature type. Where several types have these lengths, the signature decides.
    return next((raw for raw in items[:-1] if _is_signed(raw)), items[-1])


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _is_signed(raw: bytes) -> bool:
    try:
        return parse(raw).signed.is_valid
    except ItemRefused:
        return False


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
