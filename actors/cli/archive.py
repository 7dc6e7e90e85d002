"""``mostao archive``: packs messages of Relation ONE, and verifies packed ones."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import click

from actors.cli.archive_option import ArchiveLocation
from actors.cli.clock_option import accept_clock_option
from actors.cli.id_argument import CommandWithId
from actors.cli.log_location import LogLocation
from actors.cli.paths import check_writable
from eventstore.engines import Location, path_of

EXIT_FINDING = 1
MEGABYTE = 1_000_000


@click.group()
def archive() -> None:
    """Pack Relation ONE messages, and verify packed ones."""


@archive.command()
@click.argument("path", metavar="LOG", type=LogLocation(exists=True))
@click.option(
    "--archive",
    "location",
    type=ArchiveLocation(),
    metavar="PLACE",
    help="A folder or a gateway's URL.  [default: LOG.archive]",
)
@accept_clock_option
def pack(path: Location, location: str | None, accept_clock: bool) -> None:
    """Pack all messages of LOG that are not packed yet.

    Prints the id of the newest transaction of the archive. `mostao archive verify` needs that id.
    """
    from actors import Node
    from actors.ans104.wallet import Wallet
    from actors.node.clock_guard import system_clock
    from actors.relation.archive_location import archive_at
    from actors.relation.archives import ArchiveFailed
    from actors.relation.packing import Packer
    from actors.relation.services import Services, keys_path, process_client

    async def run() -> str:
        async with Node.open(path, accept_clock=accept_clock) as node:
            services = await Services.of(process_client(node), Wallet.load_or_create(keys_path(path_of(path))))
            store = archive_at(location or f"{path_of(path)}.archive")
            packed = await Packer(services, store, clock=system_clock).pack()
            if packed is not None:
                click.echo(f"packed {packed.messages:,} messages, {packed.bytes:,} bytes", err=True)
            state = await services.calls.ask(services.archive, "getArchive")
            return str(state["newest"])

    try:
        newest = asyncio.run(run())
    except ArchiveFailed as error:
        raise click.ClickException(f"{error}; the messages stay in the log, run the command again later") from None
    click.echo(newest or "the archive is empty: there are no messages to pack")


@archive.command(cls=CommandWithId)
@click.argument("newest", metavar="ID")
@click.option(
    "--archive",
    "location",
    type=ArchiveLocation(),
    metavar="PLACE",
    required=True,
    help="A folder or a gateway's URL.",
)
@click.option(
    "--messages",
    "output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the messages to FILE, newest first, one JSON object per line.",
)
@click.option(
    "--transaction-mb",
    type=click.IntRange(1, 100_000),
    metavar="MB",
    default=256,
    show_default=True,
    help="Limit of a transaction, which is read into memory.",
)
def verify(newest: str, location: str, output: Path | None, transaction_mb: int) -> None:
    """Verify an archive from its newest ID.

    ID is the id of the newest transaction, as /info of a proxy shows it. The command reads every transaction back to
    the first one. It verifies all signatures of transactions and items, that the transactions form an unbroken chain,
    and of each message its id and that its sender authorised the session key that signed it.

    An archive may be hostile. The command reads regular files only, and follows no link and no redirect to another
    host or port. It stops above --transaction-mb, or when a gateway takes too long.

    Exit code 0 if everything is valid, 1 if a fault was found, 2 if the archive cannot be read.

    \b
    Example:
      mostao archive verify ID --archive people.db.archive
    """
    from actors.protocol.canonical_json import encode
    from actors.relation.archive_location import archive_at
    from actors.relation.archive_reader import read_back
    from actors.relation.archives import ArchiveFailed, ArchiveRefused, NotArchived
    from actors.relation.transactions import TransactionInvalid
    from eventstore.records import decode_id

    try:
        decode_id(newest)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if "://" not in location and not Path(location).is_dir():
        raise click.UsageError(f"{location} is not a folder")
    if output is not None:
        check_writable(output)

    async def run() -> tuple[int, int, str]:
        transactions = messages = 0
        owner = ""
        with ExitStack() as stack:
            file = None if output is None else stack.enter_context(output.open("w"))
            store = archive_at(location, transaction_bytes_max=transaction_mb * MEGABYTE)
            async for transaction in read_back(store, newest):
                transactions += 1
                messages += len(transaction.messages)
                owner = transaction.owner
                for message in reversed(transaction.messages):
                    if file is not None:
                        file.write(encode(message) + "\n")
        return transactions, messages, owner

    try:
        transactions, messages, owner = asyncio.run(run())
    except (TransactionInvalid, NotArchived, ArchiveRefused) as fault:
        raise _finding(str(fault)) from None
    except ArchiveFailed as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{transactions:,} transactions with {messages:,} messages, packed by {owner}")
    click.echo("No fault was found.")


def _finding(text: str) -> click.ClickException:
    failure = click.ClickException(text)
    vars(failure)["exit_code"] = EXIT_FINDING
    return failure
