"""Proxies of a real node behind real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from actors import Node
from actors.ans104.wallet import Wallet
from actors.http.common.server import Servers, listen
from actors.node.node import system_clock
from actors.relation.app import proxy_app
from actors.relation.pushing import Pushing
from actors.relation.services import Services, calls_of
from tests.actors.people import NODE, wallet

SECRET: Wallet = wallet(77)


class Proxies:
    def __init__(self, node: Node, services: Services, urls: list[str]) -> None:
        self.node, self.services, self.urls = node, services, urls

    @property
    def url(self) -> str:
        return self.urls[0]


@asynccontextmanager
async def proxies(path: Path, *names: str, clock: Callable[[], int] = system_clock) -> AsyncIterator[Proxies]:
    names = names or ("first",)
    async with Node.open(path, wallet=NODE, clock=clock) as node:
        services = await Services.of(calls_of(node), SECRET)
        pushing = Pushing(node, services.calls, services.relation)
        places = [listen("127.0.0.1", 0) for _ in names]
        apps = [
            (place, proxy_app(services, pushing, name, await services.proxy(name), clock=clock))
            for place, name in zip(places, names, strict=True)
        ]
        servers = Servers(apps)
        tasks = [asyncio.create_task(pushing.run()), asyncio.create_task(servers.run())]
        try:
            yield Proxies(node, services, [place.url for place in places])
        finally:
            pushing.stop()
            servers.stop()
            await tasks[1]
            tasks[0].cancel()
            with suppress(asyncio.CancelledError):
                await tasks[0]
            for place in places:
                place.socket.close()
