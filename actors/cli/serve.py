"""``mostao serve``: a node that AO's clients talk to over HTTP."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from actors.ans104.item import DATA_BYTES_MAX
from actors.cli.rate_option import Rate
from actors.http.ao import UNITS
from actors.node.limits import Limits

PORT = 4100


class _Unit(click.ParamType[Any]):
    """``NAME:PORT``."""

    name = "unit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        name, _, port = str(value).partition(":")
        if name not in UNITS or not (port.isascii() and port.isdigit() and int(port) < 2**16):
            self.fail(f"{value!r} is no unit and port, as in compute:4102; the units are {', '.join(UNITS)}")
        return name, int(port)


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option("--unit", "units", type=_Unit(), multiple=True, metavar="NAME:PORT", help="A unit at a port of its own.")
@click.option("--rate-limit", "rate", type=Rate(), metavar="N/UNIT", help="For each address, and for each owner.")
@click.option(
    "--data-max", type=click.IntRange(1, 2**30), default=DATA_BYTES_MAX, show_default=True, help="Bytes of data."
)
def serve(
    path: Path, host: str, port: int, units: tuple[tuple[str, int], ...], rate: str | None, data_max: int
) -> None:
    """Serve the node of LOG, which is made if it is not there.

    It is messenger, compute unit, scheduler and gateway at one address, for @permaweb/aoconnect with its URLs pointed
    here; --unit compute:4102 gives a unit a port of its own beside that. A message is answered when it is durable.
    SIGTERM or Ctrl-C stop it: what is in flight is answered first.
    """
    import uvloop

    from actors import Node  # the other commands start sooner without these
    from actors.cli.listen import open_listeners
    from actors.http.ao.app import AoApp
    from actors.http.common.server import Servers
    from actors.runtime.tuning import dedicate_process

    async def run() -> None:
        async with Node.open(path, limits=Limits(data_bytes_max=data_max)) as node:
            dedicate_process()
            app = AoApp(node, data_bytes_max=data_max, rate=rate)
            servers = Servers((place, app.asgi_app([place.unit] if place.unit else UNITS)) for place in places)

            def stop() -> None:
                app.stopping = True
                servers.stop()

            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            click.echo(f"listening on {places[0].url}")
            for place in places[1:]:
                click.echo(f"  {place.unit:10}{place.url}")
            click.echo(f"  registry  {node.registry}")
            click.echo(f"  node      {node.address}")
            await servers.run()
        click.echo(f"stopped: {node.sequence:,} events in {path}")

    with open_listeners(host, [(None, port), *units]) as places:
        uvloop.run(run())
