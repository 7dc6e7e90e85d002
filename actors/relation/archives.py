"""What all archives do: store transactions by their ids."""

from typing import Protocol

TRANSACTION_BYTES_MAX = 256_000_000
"""Default limit of a transaction that is read. A pack of 100 MB of messages stays below it."""


class ArchiveFailed(Exception):
    """An archive cannot be read or written, with the reason. A retry is safe."""


class NotArchived(ArchiveFailed):
    """The archive has no transaction with this id."""


class ArchiveRefused(ArchiveFailed):
    """The archive holds or sends what a reader must not follow or keep: a link, a pipe, too much data, …"""


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
            ArchiveRefused: the archive exceeds a limit, or leads elsewhere.
            ArchiveFailed: the transaction cannot be read.
        """


def too_large(what: str, bytes_max: int) -> ArchiveRefused:
    """The error of a transaction above the limit."""
    return ArchiveRefused(
        f"{what} is larger than {bytes_max:,} bytes, the limit of a transaction: raise it with --transaction-mb if the"
        " archive is trusted"
    )
