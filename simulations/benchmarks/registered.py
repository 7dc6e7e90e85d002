"""``python -m simulations.benchmarks.registered``: does a send cost more where many are registered?"""

import asyncio
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import uvloop

from actors import Node, Wallet
from actors.interpreter import dedicate_process
from actors.jsontext import encode
from simulations.benchmarks.fresh import fresh_processes
from simulations.benchmarks.load import SESSIONS, Pair

IN_FLIGHT = 1024
_SAID = encode({"content": "x" * 240})


@click.command()
@click.option("--handles", type=click.IntRange(2 * SESSIONS, 10**7), default=1_000_000, show_default=True)
@click.option("--sends", type=click.IntRange(1000, 10**6), default=20_000, show_default=True)
def main(handles: int, sends: int) -> None:
    """Print the cost of a send with few handles and with many, and the ratio."""
    costs = []
    with TemporaryDirectory() as folder, fresh_processes() as processes:
        for count in (2 * SESSIONS, handles):
            path = Path(folder) / f"{count}.db"
            cost, seconds = processes.submit(cost_us, path, count, sends).result()
            costs.append(cost)
            click.echo(f"{count:>10,} handles, registered in {seconds:.0f} s: {cost:,.0f} us per durable send")
    click.echo(f"with {handles:,} handles a send costs {costs[1] / costs[0]:.2f} times as much")


def cost_us(path: Path, handles: int, sends: int) -> tuple[float, float]:
    """Microseconds per durable send, and the seconds that registering everybody took."""
    dedicate_process()  # as the commands do that run a node
    return uvloop.run(_cost_us(path, handles, sends))


async def _cost_us(path: Path, handles: int, sends: int) -> tuple[float, float]:
    async with Node.open(path, new=True, wallet=Wallet(bytes(32))) as node:
        begun = time.perf_counter()
        await _send_all(node, _registrations(node.registry, handles - 2 * SESSIONS))
        pairs = [Pair(number) for number in range(SESSIONS)]
        await asyncio.gather(*(pair.meet(node) for pair in pairs))
        await node.settle()
        registered = time.perf_counter() - begun
        anchors = (number.to_bytes(32, "big") for number in range(1, sends + 1))
        items = [pairs[number % SESSIONS].relay("SendMessage", _SAID, anchor) for number, anchor in enumerate(anchors)]
        begun = time.perf_counter()
        await _send_all(node, iter(items))
        return (time.perf_counter() - begun) / sends * 1e6, registered


def _registrations(registry: str, count: int) -> Iterator[bytes]:
    wallet = Wallet(sha256(b"registered").digest())
    for number in range(count):
        body = encode({"handle": f"somebody{number}", "pubkey": "k"})
        yield wallet.sign(target=registry, action="Register", data=body)


async def _send_all(node: Node, items: Iterator[bytes]) -> None:
    async def user() -> None:
        for item in items:
            assert (await node.send(item)).error is None

    await asyncio.gather(*(user() for _ in range(IN_FLIGHT)))
    await node.settle()


if __name__ == "__main__":
    main()
