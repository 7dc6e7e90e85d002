"""``mostao archive``: what Relation ONE's proxies stored for good."""

import asyncio
from pathlib import Path
from typing import IO

import click

from actors.cli.id_argument import CommandWithId

EXIT_FINDING = 1


@click.group()
def archive() -> None:
    """Pack messages of Relation ONE, and read back what was packed."""


@archive.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--archive", "place", metavar="PLACE", help="A folder or a gateway's URL; LOG.archive without one.")
def pack(path: Path, place: str | None) -> None:
    """Pack the messages of LOG that wait, due or not, and print the id of the newest transaction."""
    from actors import Node
    from actors.ans104.wallet import Wallet
    from actors.node.node import system_clock
    from actors.relation.archives import ArchiveFailed, archive_at
    from actors.relation.packing import Packer
    from actors.relation.services import Services, keys_path, process_client

    async def run() -> str:
        async with Node.open(path) as node:
            services = await Services.of(process_client(node), Wallet.load_or_create(keys_path(path)))
            packed = await Packer(services, archive_at(place or f"{path}.archive"), clock=system_clock).pack()
            if packed is not None:
                click.echo(f"packed {packed.messages:,} messages, {packed.bytes:,} bytes", err=True)
            state = await services.calls.ask(services.archive, "getArchive")
            return str(state["newest"])

    try:
        newest = asyncio.run(run())
    except ArchiveFailed as error:
        raise click.ClickException(f"{error}; nothing is lost, pack again later") from None
    click.echo(newest or "nothing was ever packed: there are no messages")


@archive.command(cls=CommandWithId)
@click.argument("newest", metavar="ID")
@click.option("--archive", "place", metavar="PLACE", required=True, help="A folder or a gateway's URL.")
@click.option(
    "--messages", "out", type=click.File("w"), metavar="FILE", help="Write every message there as a line of JSON."
)
def verify(newest: str, place: str, out: IO[str] | None) -> None:
    """Read back the whole history from the id of its newest transaction, and verify all of it.

    Each transaction's and each item's signature, that each transaction names the one before and none is missing, and
    every message: its id, and that its sender authorised the session key that signed it.
    """
    from actors.protocol.canonical_json import encode
    from actors.relation.archive_reader import read_back
    from actors.relation.archives import ArchiveFailed, NotArchived, archive_at
    from actors.relation.transactions import TransactionInvalid
    from eventstore.records import decode_id

    try:
        decode_id(newest)
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    async def run() -> tuple[int, int, str]:
        transactions = messages = 0
        owner = ""
        async for transaction in read_back(archive_at(place), newest):
            transactions += 1
            messages += len(transaction.messages)
            owner = transaction.owner
            for message in reversed(transaction.messages):
                if out is not None:
                    out.write(encode(message) + "\n")
        return transactions, messages, owner

    try:
        transactions, messages, owner = asyncio.run(run())
    except (TransactionInvalid, NotArchived) as fault:
        raise _finding(str(fault)) from None
    except ArchiveFailed as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{transactions:,} transactions with {messages:,} messages, packed by {owner}")
    click.echo("No fault was found.")


def _finding(text: str) -> click.ClickException:
    failure = click.ClickException(text)
    vars(failure)["exit_code"] = EXIT_FINDING
    return failure
