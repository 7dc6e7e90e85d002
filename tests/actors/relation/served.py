"""Starts proxies of a real node behind real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from actors import Node
from actors.ans104.wallet import Wallet
from actors.http.common.server import Listener, Servers, listen
from actors.node.clock_guard import system_clock
from actors.relation.app import proxy_app
from actors.relation.login_domains import LoginDomains, listening_domains
from actors.relation.push_service import PushService
from actors.relation.services import Services, process_client
from tests.actors.people import NODE, wallet

SECRET: Wallet = wallet(77)


class Proxies:
    def __init__(self, node: Node, services: Services, urls: list[str]) -> None:
        self.node, self.services, self.urls = node, services, urls

    @property
    def url(self) -> str:
        return self.urls[0]


def domains_of(listener: Listener) -> LoginDomains:
    return LoginDomains(listening_domains(listener.socket.getsockname()[:2], "127.0.0.1"))


@asynccontextmanager
async def proxies(path: Path, *names: str, clock: Callable[[], int] = system_clock) -> AsyncIterator[Proxies]:
    names = names or ("first",)
    async with Node.open(path, wallet=NODE, clock=clock) as node:
        services = await Services.of(process_client(node), SECRET)
        push_service = PushService(node, services.calls, services.relation)
        listeners = [listen("127.0.0.1", 0) for _ in names]
        apps = [
            (
                listener,
                proxy_app(
                    services, push_service, name, await services.proxy(name), domains=domains_of(listener), clock=clock
                ),
            )
            for listener, name in zip(listeners, names, strict=True)
        ]
        servers = Servers(apps)
        tasks = [asyncio.create_task(push_service.run()), asyncio.create_task(servers.run())]
        try:
            yield Proxies(node, services, [listener.url for listener in listeners])
        finally:
            push_service.stop()
            servers.stop()
            await tasks[1]
            tasks[0].cancel()
            with suppress(asyncio.CancelledError):
                await tasks[0]
            for listener in listeners:
                listener.socket.close()
