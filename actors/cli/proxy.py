"""``mostao proxy``: runs proxies of Relation ONE."""

import asyncio
from contextlib import suppress
from typing import Any

import click

from actors.cli.append_options import append_limit_option, login_limit_option, spawn_limit_option
from actors.cli.archive_option import ArchiveLocation
from actors.cli.clock_option import accept_clock_option
from actors.cli.extras import require
from actors.cli.log_location import LOG_LOCATION
from actors.cli.number_option import FiniteRange
from actors.cli.rate_option import Rate
from actors.cli.witness_options import check_key, checkpoint_options
from actors.evidence.checkpoints import VerifierKey
from actors.node.limits import Limits, PerPeriod
from actors.relation.login_domains import DomainMalformed, LoginDomains, listening_domains
from eventstore.engines import Location, path_of

PORT = 4200
PACK_H = 12.0
MEGABYTE = 1_000_000


class _NameAndPort(click.ParamType[Any]):
    """A proxy's name and its port, ``NAME:PORT``."""

    name = "proxy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Split and check the text."""
        name, _, port = str(value).rpartition(":")
        if not name.isprintable() or not 0 < len(name) <= 64 or not (port.isascii() and port.isdigit()):
            self.fail(f"{value!r} is not a name and a port, as in second:4201")
        if int(port[:6]) >= 2**16:
            self.fail(f"there is no port {port}: ports are 0 to 65535")
        return name, int(port)


class _Domain(click.ParamType[Any]):
    """A domain at which accounts log in, ``[https://]HOST[:PORT]``."""

    name = "domain"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the text."""
        try:
            LoginDomains([str(value)])
        except DomainMalformed as error:
            self.fail(str(error), param, ctx)
        return str(value)


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--proxy",
    "names",
    type=_NameAndPort(),
    multiple=True,
    metavar="NAME:PORT",
    default=[f"first:{PORT}"],
    show_default=True,
    help="A proxy with a state of its own. Repeatable: several proxies share the log.",
)
@click.option(
    "--domain",
    "domains",
    type=_Domain(),
    multiple=True,
    metavar="[https://]HOST[:PORT]",
    help="Where clients reach the proxies. Accounts log in there and nowhere else. Repeatable.  [default: the listening"
    " address]",
)
@click.option(
    "--ao",
    "ao_port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve AO's clients, too, on this port.",
)
@click.option("--rate-limit", "rate", type=Rate(), metavar="N/UNIT", help="Limit for each address, such as 100/second.")
@click.option(
    "--archive",
    type=ArchiveLocation(),
    metavar="PLACE",
    help="Where packs go: a folder or a gateway's URL.  [default: LOG.archive]",
)
@click.option(
    "--pack-hours",
    type=FiniteRange(0.0001),
    metavar="HOURS",
    default=PACK_H,
    show_default=True,
    help="Interval between packs.",
)
@click.option(
    "--pack-mb",
    type=FiniteRange(0.001, 1000),
    metavar="MB",
    default=100,
    show_default=True,
    help="Pack at once when more than this waits; also the limit of the messages of a transaction.",
)
@append_limit_option
@spawn_limit_option
@login_limit_option
@checkpoint_options
@accept_clock_option
def proxy(
    path: Location,
    host: str,
    names: tuple[tuple[str, int], ...],
    domains: tuple[str, ...],
    ao_port: int | None,
    rate: str | None,
    archive: str | None,
    pack_hours: float,
    pack_mb: float,
    witnesses: tuple[str, ...],
    witness_keys: tuple[VerifierKey, ...],
    checkpoint_s: float,
    accept_clock: bool,
    append_limit: PerPeriod | None,
    spawn_limit: PerPeriod | None,
    login_limit: PerPeriod | None,
) -> None:
    """Run proxies of Relation ONE over LOG.

    LOG is created if it does not exist. Clients use REST, which /openapi.json describes, and a WebSocket. Messages are
    packed into the archive at intervals; `mostao archive verify` reads them back. SIGTERM or Ctrl-C stop the proxies.
    If the system clock jumps by more than an hour, messages get HTTP 503 until the clock is right again or SIGHUP
    confirms it.

    A login is a signed challenge that names the proxy's domain. By default the domain is the listening address, and at
    a loopback address also localhost. A server in front of the proxies needs --domain, and passes the Host header on.

    \b
    Examples:
      mostao proxy people.db
      mostao proxy people.db --proxy first:4200 --proxy second:4201 --ao 4100
      mostao proxy people.db --host 0.0.0.0 --domain chat.example:4200
    """
    require("proxy")
    import uvloop

    from actors import Node  # imported here so that other commands start faster
    from actors.ans104.wallet import Wallet
    from actors.cli.listen import open_listeners
    from actors.cli.run_servers import handle_signals, run_servers
    from actors.http.ao import UNITS
    from actors.http.ao.app import AoApp
    from actors.http.common.rate_limits import RateLimits
    from actors.http.common.server import Listener, Servers
    from actors.http.witness.client import WitnessClient
    from actors.http.witness.cosigning import cosigned
    from actors.node.clock_guard import system_clock
    from actors.relation.app import proxy_app
    from actors.relation.archive_location import archive_at
    from actors.relation.logins import LoginLimits
    from actors.relation.packing import Packer
    from actors.relation.push_service import PushService
    from actors.relation.services import Services, keys_path, process_client
    from actors.runtime.tuning import dedicate_process

    async def run() -> None:
        limits = Limits(appended_max=append_limit, spawns_max=spawn_limit)
        async with Node.open(path, accept_clock=accept_clock, limits=limits) as node:
            dedicate_process()
            check_key(path, node, witnesses)
            services = await Services.of(process_client(node), Wallet.load_or_create(keys_path(path_of(path))))
            push_service = PushService(node, services.calls, services.relation)
            packer = Packer(
                services,
                archive_at(archive or f"{path_of(path)}.archive"),
                clock=system_clock,
                interval_ms=round(pack_hours * 3_600_000),
                bytes_max=round(pack_mb * MEGABYTE),
            )
            rate_limits = RateLimits(rate)
            apps: list[tuple[Listener, Any]] = []
            for listener, (name, _) in zip(listeners, names, strict=False):
                process = await services.proxy(name)
                own = LoginDomains(domains or listening_domains(listener.socket.getsockname()[:2], host))
                app = proxy_app(
                    services,
                    push_service,
                    name,
                    process,
                    domains=own,
                    clock=system_clock,
                    login_limits=LoginLimits(address_logins=login_limit),
                )
                apps.append((listener, rate_limits.limit_addresses(app)))
            ao_app = AoApp(node, data_bytes_max=node.limits.data_bytes_max, rate=rate)
            if ao_port is not None:
                apps.append((listeners[-1], ao_app.asgi_app(UNITS)))
            servers = Servers(apps)

            def stop() -> None:
                ao_app.stop()
                push_service.stop()
                servers.stop()

            handle_signals(node, stop)
            for listener, (name, _) in zip(listeners, names, strict=False):
                click.echo(f"listening on {listener.url} ({name})")
            if ao_port is not None:
                click.echo(f"listening on {listeners[-1].url} (AO)")
            click.echo(f"  relation    {services.relation}")
            click.echo(f"  key keeper  {services.keys.process}")
            for url in witnesses:
                click.echo(f"  witness     {url}")
            background = [asyncio.create_task(push_service.run()), asyncio.create_task(packer.run())]
            clients = [WitnessClient(url, witness_keys) for url in witnesses]
            try:
                async with cosigned(node, clients, interval_s=checkpoint_s):
                    await run_servers(servers, node, stop)
            finally:
                for task in background:
                    task.cancel()
                for task in background:
                    with suppress(asyncio.CancelledError):
                        await task
        click.echo(f"stopped: {node.sequence:,} events in {path}")

    if len({name for name, _ in names}) < len(names):
        raise click.UsageError("two proxies have the same name: each needs a name of its own for its state")
    ports = [port for _, port in names] + ([] if ao_port is None else [ao_port])
    with open_listeners(host, [(None, port) for port in ports]) as listeners:
        if not domains and not listening_domains(listeners[0].socket.getsockname()[:2], host):
            raise click.UsageError(
                f"--host {host} listens at all addresses, so the domain that accounts log in to is unknown: name it, as"
                f" in --domain chat.example:{names[0][1]}"
            )
        uvloop.run(run())
