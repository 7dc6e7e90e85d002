"""The whole history of an archive, from the id of its newest transaction alone."""

from collections.abc import AsyncIterator

from actors.relation.archives import ArchivePlace
from actors.relation.transactions import Transaction, TransactionFalse, unpack


async def read_back(place: ArchivePlace, newest: str) -> AsyncIterator[Transaction]:
    """The transactions of an archive, the newest first, each verified, as is that they are one unbroken chain.

    Raises:
        TransactionFalse: one is not what it says, or the chain is broken.
        ArchiveFailed: one is missing, or cannot be read.
    """
    id_, later, seen = newest, None, set[str]()
    while True:
        found = unpack(await place.get(id_), id_)
        if later is not None and found.owner != later.owner:
            raise TransactionFalse(f"transaction {id_} was packed by {found.owner}, the next one by {later.owner}")
        if later is not None and found.first + len(found.messages) != later.first:
            end = found.first + len(found.messages)
            raise TransactionFalse(f"transaction {id_} goes up to message {end}, the next begins after {later.first}")
        for message in found.messages:
            if message.id in seen:
                raise TransactionFalse(f"transaction {id_}: message {message.id} is in the archive twice")
            seen.add(message.id)
        yield found
        if not found.previous:
            if found.first:
                raise TransactionFalse(f"transaction {id_} is the first, but not of the first message")
            return
        id_, later = found.previous, found
