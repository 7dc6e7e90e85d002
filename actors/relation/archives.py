"""Where transactions are kept for good: a folder, or Arweave through a gateway."""

import asyncio
import os
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from actors.ans104.item import item_id, unsigned
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
    """An archive cannot be read or written; says which and why. To try again does no harm."""


class NotArchived(ArchiveFailed):
    """It has no such transaction."""


class ArchivePlace(Protocol):
    """Keeps transactions by their ids."""

    async def put(self, raw: bytes) -> None:
        """Keep a transaction; once, however often it is put.

        Raises:
            ArchiveFailed: it may not be kept.
        """

    async def get(self, id_: str) -> bytes:
        """A transaction.

        Raises:
            NotArchived: there is none of that id.
            ArchiveFailed: it cannot be read.
        """


def archive_at(place: str) -> ArchivePlace:
    """The archive at a URL, or in a folder."""
    return GatewayArchive(place) if urlsplit(place).scheme in ("http", "https") else FolderArchive(Path(place))


class FolderArchive:
    """A file for each transaction, called by its id. A file is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, raw: bytes) -> None:
        """See ``ArchivePlace``."""
        await asyncio.to_thread(self._put, raw)

    async def get(self, id_: str) -> bytes:
        """See ``ArchivePlace``."""
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
                os.fsync(descriptor)  # the name, too
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ArchiveFailed(f"the archive {self._folder} cannot be written ({error.strerror})") from None


class GatewayArchive:
    """Arweave over HTTP: data items go to a bundler's ``/tx``, and come back from a gateway's GraphQL and data."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def put(self, raw: bytes) -> None:
        """See ``ArchivePlace``."""
        if await self._request("POST", "/tx", raw, "application/octet-stream") is None:
            raise ArchiveFailed(f"{self._url} takes no transactions")

    async def get(self, id_: str) -> bytes:
        """See ``ArchivePlace``. The item is put together again from what the gateway says of it."""
        query = msgspec.json.encode({"query": _HEADER, "variables": {"id": id_}})
        found = await self._request("POST", "/graphql", query, "application/json")
        data = await self._request("GET", f"/{id_}")
        try:
            edges = msgspec.json.decode(found or b"{}")["data"]["transactions"]["edges"]
            if not edges or data is None:
                raise NotArchived(f"there is no transaction {id_} at {self._url}")
            return _assembled(edges[0]["node"], data)
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
            raise ArchiveFailed(f"{self._url} does not answer as a gateway does ({error!r})") from None

    async def _request(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes | None:
        """The body of an answer; None where there is no such thing."""
        from pyreqwest.client import ClientBuilder  # takes long, and a folder needs none of it
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
                    said = (await response.text())[:200]
                    raise ArchiveFailed(f"{self._url}{path} answered {response.status}: {said}")
                return bytes(await response.bytes())
        except PyreqwestError as error:
            raise ArchiveFailed(f"{self._url} does not answer ({error})") from None


def _assembled(node: Any, data: bytes) -> bytes:
    """A data item's bytes from its parts, as gateways tell them."""
    public_key, signature = _bytes(node["owner"]["key"]), _bytes(node["signature"])
    kind = next((kind for kind, scheme in SCHEMES.items() if scheme.key.stop - scheme.key.start == len(public_key)), 0)
    _, rest = unsigned(
        kind=kind,
        public_key=public_key,
        target=decode_id(node["recipient"]) if node["recipient"] else b"",
        anchor=_bytes(node["anchor"]),
        tags=[(tag["name"], tag["value"]) for tag in node["tags"]],
        data=data,
    )
    return kind.to_bytes(2, "little") + signature + rest


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
