"""The HTTP application of a node: the routes of its units, the explorer, and the routes and middleware they share."""

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
from actors.http.ao.compute import ComputeUnit
from actors.http.ao.fast_path import fast_path
from actors.http.ao.gateway import Gateway
from actors.http.ao.messenger import MessengerUnit
from actors.http.ao.scheduler import SchedulerUnit
from actors.http.common.metrics import Metrics
from actors.http.common.page_responses import PageResponses
from actors.http.common.rate_limits import RateLimits
from actors.http.common.responses import ERRORS, json_response
from actors.http.explorer.routes import Explorer
from actors.node.node import Node


class AoApp:
    """Builds the ASGI applications of one node.

    Attributes:
        stopping: whether ``stop`` was called.

    Args:
        node: the node that answers the requests.
        data_bytes_max: limit of a message's data.
        rate: limit for each address and for each owner, such as ``100/second``; None for no limit.

    Raises:
        ValueError: the rate is malformed.
    """

    def __init__(self, node: Node, *, data_bytes_max: int, rate: str | None = None) -> None:
        self.stopping = False
        self._node = node
        self._rate_limits = RateLimits(rate)
        self._metrics = Metrics(node)
        messenger = MessengerUnit(node, data_bytes_max=data_bytes_max, rate_limits=self._rate_limits)
        pages = PageResponses(node, self._rate_limits)
        scheduler = SchedulerUnit(node, pages, messenger.submit)
        self._unit_routes = {
            "messenger": messenger.routes(),
            "compute": ComputeUnit(node, pages, data_bytes_max=data_bytes_max).routes(),
            "gateway": Gateway(node, pages).routes(),
            "scheduler": scheduler.routes(),
        }
        self._explorer_routes = Explorer(node, pages, lambda: self.stopping).routes()
        self._post_handlers = {"messenger": messenger.post, "scheduler": scheduler.post}

    def asgi_app(self, units: Sequence[str] = UNITS) -> ASGIApp:
        """The ASGI application of some of the node's units. The explorer is part of it if all units are."""
        routes: list[BaseRoute] = [Route("/health", self.health), Route("/info", self.info), *self._metrics.routes()]
        if set(units) == set(UNITS):
            routes += self._explorer_routes
        starlette = Starlette(
            routes=routes + [route for unit in UNITS if unit in units for route in self._unit_routes[unit]],
            middleware=[
                Middleware(
                    CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=86_400
                )
            ],
            exception_handlers=ERRORS,
        )
        starlette.router.redirect_slashes = False
        handlers = (self._post_handlers.get(unit) for unit in UNITS if unit in units)
        post = next((handler for handler in handlers if handler is not None), None)
        app = starlette if post is None else fast_path(starlette, post)
        return self._metrics.count_requests(self._rate_limits.limit_addresses(app))

    def stop(self) -> None:
        """Call before the servers stop: open event streams end, and pages that are being read get 503."""
        self.stopping = True
        self._node.stop_pages()

    async def health(self, request: Request) -> Response:
        """Report that the node accepts messages; 503 if it does not."""
        self._node.check_open()
        return json_response({"status": "ok", "events": self._node.sequence})

    async def info(self, request: Request) -> Response:
        """The node's registry, address and version."""
        node = self._node
        return json_response({"registry": node.registry, "node": node.address, "version": version("mostao")})
