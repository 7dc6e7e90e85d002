"""What a node and its faces do, for Prometheus."""

from collections import Counter
from collections.abc import Awaitable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.node.node import Node

_BATCHES = tuple(2**power for power in range(14))
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Figures:
    """Counts requests and commits, and reads off the node what it is asked for."""

    def __init__(self, node: Node) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gauges(node))
        ProcessCollector(registry=self._registry)
        self._requests = _Requests()
        self._registry.register(self._requests)
        self._batches = Histogram(
            "mostao_commit_events", "Events made durable by one commit", registry=self._registry, buckets=_BATCHES
        )
        self._latencies = Histogram(
            "mostao_commit_seconds",
            "From handing a batch over until the node knows that it is durable",
            registry=self._registry,
            buckets=_SECONDS,
        )
        node.on_commit(self._committed)

    def routes(self) -> list[Route]:
        """What is answered."""
        return [Route("/metrics", self.metrics)]

    async def metrics(self, request: Request) -> Response:
        """Every figure, in Prometheus's text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def counting(self, app: ASGIApp) -> ASGIApp:
        """The same application, whose requests are counted."""
        answered = self._requests.answered

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return

            def note(message: Message) -> Awaitable[None]:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", "") or "other"
                    answered[route, scope["method"], str(message["status"])] += 1
                return send(message)

            await app(scope, receive, note)

        return counted

    def _committed(self, events: int, seconds: float) -> None:
        self._batches.observe(events)
        self._latencies.observe(seconds)


class _Requests(Collector):
    """How many requests were answered. The event loop alone counts them, so none of Prometheus's locks is needed.

    Attributes:
        answered: by route, method and status.
    """

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, str, str]] = Counter()

    def collect(self) -> list[CounterMetricFamily]:
        family = CounterMetricFamily("mostao_http_requests", "Requests answered", labels=("route", "method", "status"))
        for labels, count in self.answered.items():
            family.add_metric(labels, count)
        return [family]


class _Gauges(Collector):
    """What a node is at the moment."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> list[GaugeMetricFamily]:
        now = self._node.load()
        gauges = (
            ("mostao_live_actors", "Processes that live in memory", now.live_actors),
            ("mostao_mailbox_messages", "Messages that wait to be assigned", now.waiting),
            ("mostao_deepest_mailbox_messages", "The same, of the process that has most", now.deepest_mailbox),
            ("mostao_undurable_events", "Events assigned and not durable yet", now.undurable),
            ("mostao_log_events", "Events of the log", now.events),
            ("mostao_log_bytes", "Size of the log's files", now.log_bytes),
        )
        return [GaugeMetricFamily(name, text, value=value) for name, text, value in gauges]
