"""Which unit answers what, and what all of them have in common."""

from collections.abc import Sequence
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from actors.http.ao import UNITS
from actors.http.ao.compute import Compute
from actors.http.ao.fast_path import fast_path
from actors.http.ao.gateway import Gateway
from actors.http.ao.messenger import Messenger
from actors.http.ao.scheduler import SchedulerFace
from actors.http.common.metrics import Figures
from actors.http.common.rate_limits import Rates
from actors.http.common.responses import ERRORS, answer
from actors.http.explorer.routes import Explorer
from actors.node.node import Node


class Faces:
    """A node's HTTP applications.

    Attributes:
        stopping: set it when the servers are to stop: who listens for news is told no more.

    Args:
        node: whose.
        data_bytes_max: limit of a message's data.
        rate: how often one address may ask and one owner may send, as ``100/second``; None for no limit.

    Raises:
        ValueError: that is no rate.
    """

    def __init__(self, node: Node, *, data_bytes_max: int, rate: str | None = None) -> None:
        self.stopping = False
        self._node = node
        self._rates = Rates(rate)
        self._figures = Figures(node)
        messenger = Messenger(node, data_bytes_max=data_bytes_max, rates=self._rates)
        scheduler = SchedulerFace(node, messenger.take)
        self._units = {
            "messenger": messenger.routes(),
            "compute": Compute(node, data_bytes_max=data_bytes_max).routes(),
            "gateway": Gateway(node).routes(),
            "scheduler": scheduler.routes(),
        }
        self._pages = Explorer(node, lambda: self.stopping).routes()
        self._posts = {"messenger": messenger.post, "scheduler": scheduler.post}

    def app(self, units: Sequence[str] = UNITS) -> ASGIApp:
        """The ASGI application of some of the node's units."""
        own: list[BaseRoute] = [Route("/health", self.health), Route("/info", self.info), *self._figures.routes()]
        pages = self._pages if set(units) == set(UNITS) else []
        starlette = Starlette(
            routes=own + pages + [route for unit in UNITS if unit in units for route in self._units[unit]],
            middleware=[
                Middleware(
                    CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=86_400
                )
            ],
            exception_handlers=ERRORS,
        )
        starlette.router.redirect_slashes = False
        post = next((self._posts[unit] for unit in UNITS if unit in units and unit in self._posts), None)
        app = starlette if post is None else fast_path(starlette, post)
        return self._figures.counting(self._rates.of_addresses(app))

    async def health(self, request: Request) -> Response:
        """Whether the node takes messages."""
        self._node.check_open()
        return answer({"status": "ok", "events": self._node.sequence})

    async def info(self, request: Request) -> Response:
        """Who this node is."""
        return answer({"registry": self._node.registry, "node": self._node.address, "version": version("mostao")})
