"""Metrics of a node and its HTTP applications, for Prometheus."""

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


class Metrics:
    """Counts requests and commits, and reads the node's gauges when metrics are requested."""

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
            "Time from handing a batch to the log writer until it is durable",
            registry=self._registry,
            buckets=_SECONDS,
        )
        node.on_commit(self._committed)

    def routes(self) -> list[Route]:
        """The metrics route."""
        return [Route("/metrics", self.metrics)]

    async def metrics(self, request: Request) -> Response:
        """All metrics in Prometheus's text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def count_requests(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that its requests are counted."""
        counts = self._requests.counts

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return

            def count(message: Message) -> Awaitable[None]:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", "") or "other"
                    counts[route, scope["method"], str(message["status"])] += 1
                return send(message)

            await app(scope, receive, count)

        return counted

    def _committed(self, events: int, seconds: float) -> None:
        self._batches.observe(events)
        self._latencies.observe(seconds)


class _Requests(Collector):
    """Counts responses. Only the event loop counts them, so this avoids the locks of Prometheus's own counters.

    Attributes:
        counts: number of responses by route, method and status.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def collect(self) -> list[CounterMetricFamily]:
        family = CounterMetricFamily("mostao_http_requests", "Requests answered", labels=("route", "method", "status"))
        for labels, count in self.counts.items():
            family.add_metric(labels, count)
        return [family]


class _Gauges(Collector):
    """The node's current load."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> list[GaugeMetricFamily]:
        now = self._node.load()
        gauges = (
            ("mostao_live_actors", "Processes with a live actor in memory", now.live_actors),
            ("mostao_mailbox_messages", "Messages waiting to be assigned", now.waiting),
            ("mostao_deepest_mailbox_messages", "Messages waiting for the busiest process", now.deepest_mailbox),
            ("mostao_undurable_events", "Events assigned but not yet durable", now.undurable),
            ("mostao_log_events", "Events in the log", now.events),
            ("mostao_log_bytes", "Size of the log's files", now.log_bytes),
        )
        return [GaugeMetricFamily(name, text, value=value) for name, text, value in gauges]
