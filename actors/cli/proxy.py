"""``mostao proxy``: Relation ONE's proxies."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from actors.cli.rate_option import Rate

PORT = 4200
PACK_H = 12.0
MEGABYTE = 1_000_000


class _Place(click.ParamType[Any]):
    """``NAME:PORT``."""

    name = "proxy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        name, _, port = str(value).rpartition(":")
        if not name.isprintable() or not 0 < len(name) <= 64 or not (port.isascii() and port.isdigit()):
            self.fail(f"{value!r} is no name and port, as in second:4201")
        if int(port) >= 2**16:
            self.fail(f"there is no port {port}")
        return name, int(port)


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--proxy",
    "names",
    type=_Place(),
    multiple=True,
    metavar="NAME:PORT",
    default=[f"first:{PORT}"],
    show_default=True,
    help="A proxy with a state of its own; several may share the log.",
)
@click.option(
    "--ao", "ao_port", type=click.IntRange(0, 65535), help="Serve AO's clients on the same log, at this port."
)
@click.option("--rate-limit", "rate", type=Rate(), metavar="N/UNIT", help="For each address.")
@click.option("--archive", metavar="PLACE", help="A folder or a gateway's URL; LOG.archive without one.")
@click.option("--pack-hours", type=click.FloatRange(0.0001), default=PACK_H, show_default=True, help="For a pack.")
@click.option(
    "--pack-mb", type=click.FloatRange(0.001, 1000), default=100, show_default=True, help="Above it, at once."
)
def proxy(
    path: Path,
    host: str,
    names: tuple[tuple[str, int], ...],
    ao_port: int | None,
    rate: str | None,
    archive: str | None,
    pack_hours: float,
    pack_mb: float,
) -> None:
    """Serve Relation ONE's clients from the node of LOG, which is made if it is not there.

    REST and WebSocket as /openapi.json describes them. Messages are packed and go to the archive, which `mostao archive
    verify` reads back. SIGTERM or Ctrl-C stop it.
    """
    import uvloop

    from actors import Node  # the other commands start sooner without these
    from actors.ans104.wallet import Wallet
    from actors.cli.listen import open_listeners
    from actors.http.ao import UNITS
    from actors.http.ao.app import AoApp
    from actors.http.common.rate_limits import RateLimits
    from actors.http.common.server import Listener, Servers
    from actors.node.node import system_clock
    from actors.relation.app import proxy_app
    from actors.relation.archives import archive_at
    from actors.relation.packing import Packer
    from actors.relation.push_service import PushService
    from actors.relation.services import Services, keys_path, process_client
    from actors.runtime.tuning import dedicate_process

    async def run() -> None:
        async with Node.open(path) as node:
            dedicate_process()
            services = await Services.of(process_client(node), Wallet.load_or_create(keys_path(path)))
            pushing = PushService(node, services.calls, services.relation)
            packer = Packer(
                services,
                archive_at(archive or f"{path}.archive"),
                clock=system_clock,
                interval_ms=round(pack_hours * 3_600_000),
                bytes_max=round(pack_mb * MEGABYTE),
            )
            rates = RateLimits(rate)
            apps: list[tuple[Listener, Any]] = []
            for place, (name, _) in zip(places, names, strict=False):
                process = await services.proxy(name)
                app = proxy_app(services, pushing, name, process, clock=system_clock)
                apps.append((place, rates.limit_addresses(app)))
            ao_app = AoApp(node, data_bytes_max=node.data_bytes_max, rate=rate)
            if ao_port is not None:
                apps.append((places[-1], ao_app.asgi_app(UNITS)))
            servers = Servers(apps)

            def stop() -> None:
                ao_app.stopping = True
                pushing.stop()
                servers.stop()

            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            for place, (name, _) in zip(places, names, strict=False):
                click.echo(f"listening on {place.url} ({name})")
            if ao_port is not None:
                click.echo(f"listening on {places[-1].url} (AO)")
            click.echo(f"  relation    {services.relation}")
            click.echo(f"  key keeper  {services.keys.process}")
            background = [asyncio.create_task(pushing.run()), asyncio.create_task(packer.run())]
            await servers.run()
            for task in background:
                task.cancel()
            for task in background:
                with suppress(asyncio.CancelledError):
                    await task
        click.echo(f"stopped: {node.sequence:,} events in {path}")

    if len({name for name, _ in names}) < len(names):
        raise click.UsageError("two proxies have one name: each keeps a state of its own under its name")
    ports = [port for _, port in names] + ([] if ao_port is None else [ao_port])
    with open_listeners(host, [(None, port) for port in ports]) as places:
        uvloop.run(run())
