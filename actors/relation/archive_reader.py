"""Reads and verifies the whole history of an archive, from the id of its newest transaction alone."""

from collections.abc import AsyncIterator

from actors.relation.archives import ArchiveStore
from actors.relation.transactions import Transaction, TransactionInvalid, unpack


async def read_back(archive: ArchiveStore, newest: str) -> AsyncIterator[Transaction]:
    """The transactions of an archive, the newest first. Verifies each transaction and that they are an unbroken chain.

    Raises:
        TransactionInvalid: a transaction is invalid, or the chain is broken.
        ArchiveFailed: a transaction is missing or cannot be read.
    """
    id_, later, message_ids = newest, None, set[str]()
    while True:
        transaction = unpack(await archive.get(id_), id_)
        end = transaction.first + len(transaction.messages)
        if later is not None and transaction.owner != later.owner:
            raise TransactionInvalid(
                f"transaction {id_} was packed by {transaction.owner}, the next one by {later.owner}"
            )
        if later is not None and end != later.first:
            raise TransactionInvalid(f"transaction {id_} ends at message {end}, the next begins after {later.first}")
        for message in transaction.messages:
            if message.id in message_ids:
                raise TransactionInvalid(f"transaction {id_}: message {message.id} is in the archive twice")
            message_ids.add(message.id)
        yield transaction
        if not transaction.previous:
            if transaction.first:
                raise TransactionInvalid(
                    f"transaction {id_} names no previous one, but {transaction.first:,} messages precede it"
                )
            return
        id_, later = transaction.previous, transaction
