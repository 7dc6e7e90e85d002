"""Runs the servers of a node until an operator stops them, or the node fails."""

import asyncio
import signal
from collections.abc import Callable

from actors.http.common.server import Servers
from actors.node.node import Node


def handle_signals(node: Node, stop: Callable[[], object]) -> None:
    """Call ``stop`` on SIGTERM and SIGINT, and confirm the node's clock on SIGHUP."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, node.confirm_clock)


async def run_servers(servers: Servers, node: Node, stop: Callable[[], object]) -> None:
    """Serve until the servers are stopped and the requests in flight are answered.

    Args:
        servers: the servers.
        node: the node behind them.
        stop: makes the servers accept no more requests.

    Raises:
        EventStoreError: the node failed, and stopped the servers.
    """
    failed = asyncio.create_task(node.failed())
    failed.add_done_callback(lambda _: stop())
    await servers.run()
    if failed.done():
        raise failed.result()
    failed.cancel()
