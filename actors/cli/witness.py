"""``mostao witness``: cosigns checkpoints of logs that only grow."""

import asyncio
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import click

from actors.ans104.wallet import Wallet, key_path
from actors.cli.log_location import LOG_LOCATION
from actors.cli.rate_option import Rate
from actors.cli.witness_options import LOG_KEY_TEXT
from actors.evidence.checkpoints import NoteInvalid, VerifierKey, is_key_name, key_of
from eventstore import read_log
from eventstore.engines import Location

PORT = 4300
LOGS_BYTES_MAX = 1024 * 1024


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--log",
    "keys",
    type=LOG_KEY_TEXT,
    multiple=True,
    metavar="KEY",
    help="Verifier key of a log, which mostao checkpoint LOG --verifier-key prints. Repeatable.",
)
@click.option("--logs", "key_file", type=click.File(), metavar="FILE", help="Verifier keys of logs, one a line.")
@click.option(
    "--log-of",
    "log_paths",
    type=LOG_LOCATION,
    multiple=True,
    metavar="LOG",
    help="A log on this machine, whose verifier key is read from it once. Repeatable.",
)
@click.option("--name", metavar="NAME", help="Name of a new witness.  [default: its address]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 for a free port.")
@click.option("--rate-limit", "rate", type=Rate(), metavar="N/UNIT", help="Limit for each address, such as 100/second.")
def witness(
    path: Path,
    keys: tuple[VerifierKey, ...],
    key_file: TextIO | None,
    log_paths: tuple[Location, ...],
    name: str | None,
    host: str,
    port: int,
    rate: str | None,
) -> None:
    """Run a witness, which cosigns checkpoints of growing logs.

    The witness (C2SP tlog-witness) keeps the newest checkpoint of each log in FILE, and its private key in FILE.key.
    Both are created if they do not exist. It cosigns a checkpoint only if a proof shows that the log still contains
    everything that the witness cosigned before. Run it on another machine than the logs, under another operator.

    \b
    Examples:
      mostao witness witness.db --log-of people.db
      mostao witness witness.db --logs logs.txt --name witness.example.com
    """
    import uvloop

    from actors.cli.listen import open_listeners
    from actors.http.common.server import Servers
    from actors.http.witness.app import WitnessApp
    from actors.http.witness.store import StoreUnusable, WitnessStore
    from actors.http.witness.witness import Witness
    from actors.node.clock_guard import system_clock

    if name is not None and not is_key_name(name):
        raise click.BadParameter("a name contains neither spaces nor +", param_hint="'--name'")
    logs = _by_origin([*keys, *_read_keys(key_file), *map(_key_of, log_paths)])
    if not logs:
        raise click.UsageError("name the logs to witness with --log, --logs or --log-of")
    if key_path(path).exists() and not path.exists():  # a key without its file would cosign a log that was rewritten
        raise click.UsageError(f"{path} is missing: restore it, or choose another FILE for a new witness")
    try:
        store = WitnessStore.open(path)  # before the key, so that a start that is interrupted here can be repeated
        if not key_path(path).exists() and store.is_named():
            raise click.UsageError(f"{key_path(path)} is missing: restore it, or choose another FILE for a new witness")
        wallet = Wallet.load_or_create(key_path(path))
        stored_name = store.name(name or f"mostao-witness/{wallet.address}")
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    if name not in (None, stored_name):
        raise click.UsageError(f"the witness in {path} is named {stored_name}: a new name needs a new FILE and key")

    async def run() -> None:
        served = Witness(store, name=stored_name, wallet=wallet, logs=logs, clock=system_clock)
        app = WitnessApp(served, rate=rate)
        servers = Servers([(listeners[0], app.asgi_app())])
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, servers.stop)
        click.echo(f"listening on {listeners[0].url}")
        click.echo(f"  verifier key  {served.key}")
        for origin in logs:
            click.echo(f"  log           {origin}")
        await servers.run()
        app.close()

    try:
        with open_listeners(host, [(None, port)]) as listeners:
            uvloop.run(run())
    finally:
        store.close()
    click.echo("stopped")


def _by_origin(keys: Iterable[VerifierKey]) -> dict[str, list[VerifierKey]]:
    """The keys of each log. A log may have several."""
    logs: dict[str, list[VerifierKey]] = {}
    for key in dict.fromkeys(keys):
        logs.setdefault(key.name, []).append(key)
    return logs


def _read_keys(file: TextIO | None) -> Sequence[VerifierKey]:
    """The verifier keys in a file. Empty lines and lines that begin with ``#`` are skipped."""
    if file is None:
        return ()
    try:
        lines = file.read(LOGS_BYTES_MAX).splitlines()
        return [VerifierKey.parse(line) for line in lines if line.strip() and not line.startswith("#")]
    except UnicodeDecodeError:
        text = f"{file.name} is not UTF-8 text: name a file of verifier keys, one a line"
        raise click.BadParameter(text, param_hint="'--logs'") from None
    except NoteInvalid as error:
        raise click.BadParameter(f"{file.name}: {error}", param_hint="'--logs'") from None


def _key_of(path: Location) -> VerifierKey:
    log = read_log(path)
    try:
        return key_of(log)
    finally:
        log.close()
