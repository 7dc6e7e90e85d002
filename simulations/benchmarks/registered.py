"""``python -m simulations.benchmarks.registered``: the cost of a send with few and with many registered handles.

Two nodes, one with few handles and one with many, are open at the same time, each in a process of its own. They process
the same number of sends in turn, so that other load on the machine affects both.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import uvloop

from actors import Node, Wallet
from actors.processes.messaging.registry_v3 import NAMES_MAX
from actors.protocol.canonical_json import encode
from actors.runtime.tuning import dedicate_process
from simulations.benchmarks.load import SESSIONS, Pair

IN_FLIGHT = 1024
_MESSAGE = encode({"content": "x" * 240})


@click.command()
@click.option("--handles", type=click.IntRange(2 * SESSIONS, 10**7), default=1_000_000, show_default=True)
@click.option("--sends", type=click.IntRange(1000, 10**6), default=20_000, show_default=True)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=7, show_default=True, help="Each round measures both in turn."
)
def main(handles: int, sends: int, rounds: int) -> None:
    """Print the cost of a send with few handles and with many, and the ratio."""
    counts = (2 * SESSIONS, handles)
    costs: list[list[float]] = [[], []]
    with TemporaryDirectory() as folder, ExitStack() as opened:
        nodes = []
        for number, count in enumerate(counts):
            nodes.append(_Remote(Path(folder) / f"{number}.db", count))
            opened.callback(nodes[-1].close)
        for _ in range(rounds):
            for node, measured in zip(nodes, costs, strict=True):
                measured.append(node.measure(sends))
    for count, node, measured in zip(counts, nodes, costs, strict=True):
        click.echo(
            f"{count:>10,} handles, registered in {node.registered_s:.0f} s:"
            f" {median(measured):,.0f} us per durable send ({' '.join(f'{cost:,.0f}' for cost in measured)})"
        )
    ratio = median(many / few for few, many in zip(*costs, strict=True))
    click.echo(f"with {handles:,} handles a send costs {ratio:.2f} times as much")


class _Remote:
    """A node in a process of its own, with the given number of registered handles."""

    def __init__(self, path: Path, handles: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = context.Pipe()
        self._process = context.Process(target=_run, args=(child_pipe, path, handles))
        self._process.start()
        child_pipe.close()
        self.registered_s = float(self._pipe.recv())

    def measure(self, sends: int) -> float:
        """Run sends; returns microseconds per durable send."""
        self._pipe.send(sends)
        return float(self._pipe.recv())

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def _run(pipe: Connection, path: Path, handles: int) -> None:
    dedicate_process()  # like the commands that run a node
    uvloop.run(_serve(pipe, path, handles))


async def _serve(pipe: Connection, path: Path, handles: int) -> None:
    async with Node.open(path, new=True, wallet=Wallet(bytes(32))) as node:
        started = time.perf_counter()
        await _send_all(node, _registrations(node.registry, handles - 2 * SESSIONS))
        pairs = [Pair(number) for number in range(SESSIONS)]
        await asyncio.gather(*(pair.set_up(node) for pair in pairs))
        await node.drain()
        pipe.send(time.perf_counter() - started)
        sent = 0
        while (sends := await asyncio.to_thread(_receive, pipe)) is not None:
            numbers = range(sent + 1, sent + sends + 1)
            items = [pairs[number % SESSIONS].relay("SendMessage", _MESSAGE, number.to_bytes(32)) for number in numbers]
            sent += sends
            started = time.perf_counter()
            await _send_all(node, iter(items))
            pipe.send((time.perf_counter() - started) / sends * 1e6)


def _receive(pipe: Connection) -> int | None:
    try:
        return int(pipe.recv())
    except EOFError:
        return None


def _registrations(registry: str, count: int) -> Iterator[bytes]:
    for number in range(count):
        if number % NAMES_MAX == 0:  # an owner may have so many handles
            wallet = Wallet(sha256(b"registered %d" % number).digest())
        body = encode({"handle": f"user{number}", "pubkey": "k"})
        yield wallet.sign(target=registry, action="Register", data=body)


async def _send_all(node: Node, items: Iterator[bytes]) -> None:
    async def user() -> None:
        for item in items:
            assert (await node.send(item)).error is None

    await asyncio.gather(*(user() for _ in range(IN_FLIGHT)))
    await node.drain()


if __name__ == "__main__":
    main()
