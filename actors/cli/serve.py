"""``mostao serve``: runs a node that AO's clients use over HTTP."""

from typing import Any

import click

from actors.ans104.item import DATA_BYTES_MAX
from actors.cli.append_options import append_limit_option, spawn_limit_option
from actors.cli.clock_option import accept_clock_option
from actors.cli.log_location import LOG_LOCATION
from actors.cli.rate_option import Rate
from actors.cli.witness_options import check_key, checkpoint_options
from actors.evidence.checkpoints import VerifierKey
from actors.http.ao import UNITS
from actors.node.limits import Limits, PerPeriod
from eventstore.engines import Location

PORT = 4100


class _Unit(click.ParamType[Any]):
    """A unit and its port, ``NAME:PORT``."""

    name = "unit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Split and check the text."""
        name, _, port = str(value).partition(":")
        if name not in UNITS or not (port.isascii() and port.isdigit() and int(port) < 2**16):
            self.fail(f"{value!r} is not a unit and a port, as in compute:4102; the units are {', '.join(UNITS)}")
        return name, int(port)


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 for a free port.")
@click.option(
    "--unit",
    "units",
    type=_Unit(),
    multiple=True,
    metavar="NAME:PORT",
    help="Serve a unit on a port of its own as well: " + ", ".join(UNITS) + ". Repeatable.",
)
@click.option(
    "--rate-limit",
    "rate",
    type=Rate(),
    metavar="N/UNIT",
    help="Limit for each address and each owner, such as 100/second.",
)
@click.option(
    "--data-max",
    type=click.IntRange(1, 2**30),
    default=DATA_BYTES_MAX,
    show_default=True,
    help="Limit of a message's data, in bytes.",
)
@append_limit_option
@spawn_limit_option
@checkpoint_options
@accept_clock_option
def serve(
    path: Location,
    host: str,
    port: int,
    units: tuple[tuple[str, int], ...],
    rate: str | None,
    data_max: int,
    witnesses: tuple[str, ...],
    witness_keys: tuple[VerifierKey, ...],
    checkpoint_s: float,
    accept_clock: bool,
    append_limit: PerPeriod | None,
    spawn_limit: PerPeriod | None,
) -> None:
    """Run a full AO node on one port, over LOG.

    This runs a messenger, compute unit, scheduler and gateway at one address, for @permaweb/aoconnect. LOG is created
    if it does not exist. A reply leaves the node when its message is durable. SIGTERM or Ctrl-C stop the node after
    the requests in flight are answered. If LOG cannot be written, or its name leads to another file, the node stops
    with exit code 2; everything that it acknowledged is in the file.

    If the system clock jumps by more than an hour, messages get HTTP 503 until the clock is right again or SIGHUP
    confirms it.

    \b
    Examples:
      mostao serve people.db
      mostao serve people.db --unit compute:4102 --rate-limit 100/second
      mostao serve people.db --witness https://witness.example.com
    """
    import uvloop

    from actors import Node  # imported here so that other commands start faster
    from actors.cli.listen import open_listeners
    from actors.cli.run_servers import handle_signals, run_servers
    from actors.http.ao.app import AoApp
    from actors.http.common.server import Servers
    from actors.http.witness.client import WitnessClient
    from actors.http.witness.cosigning import cosigned
    from actors.runtime.tuning import dedicate_process

    limits = Limits(data_bytes_max=data_max, appended_max=append_limit, spawns_max=spawn_limit)

    async def run() -> None:
        async with Node.open(path, accept_clock=accept_clock, limits=limits) as node:
            dedicate_process()
            check_key(path, node, witnesses)
            app = AoApp(node, data_bytes_max=data_max, rate=rate)
            servers = Servers((each, app.asgi_app([each.unit] if each.unit else UNITS)) for each in listeners)

            def stop() -> None:
                app.stop()
                servers.stop()

            handle_signals(node, stop)
            click.echo(f"listening on {listeners[0].url}")
            for listener in listeners[1:]:
                click.echo(f"  {listener.unit:10}{listener.url}")
            click.echo(f"  registry  {node.registry}")
            click.echo(f"  node      {node.address}")
            for url in witnesses:
                click.echo(f"  witness   {url}")
            clients = [WitnessClient(url, witness_keys) for url in witnesses]
            async with cosigned(node, clients, interval_s=checkpoint_s):
                await run_servers(servers, node, stop)
        click.echo(f"stopped: {node.sequence:,} events in {path}")

    with open_listeners(host, [(None, port), *units]) as listeners:
        uvloop.run(run())
