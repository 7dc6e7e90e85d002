"""Opens the archive at a location."""

from pathlib import Path
from urllib.parse import urlsplit

from actors.relation.archives import TRANSACTION_BYTES_MAX, ArchiveStore
from actors.relation.folder_archive import FolderArchive


def archive_at(location: str, *, transaction_bytes_max: int = TRANSACTION_BYTES_MAX) -> ArchiveStore:
    """The archive at a gateway's URL or in a folder.

    Args:
        location: an http or https URL, or a path.
        transaction_bytes_max: limit of a transaction that is read.
    """
    if urlsplit(location).scheme in ("http", "https"):
        from actors.relation.gateway_archive import GatewayArchive  # needs the extra `archive`

        return GatewayArchive(location, transaction_bytes_max=transaction_bytes_max)
    return FolderArchive(Path(location), transaction_bytes_max=transaction_bytes_max)
