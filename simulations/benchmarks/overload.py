"""``python -m simulations.benchmarks.overload``: offers a node ten times its highest rate, and floods one process."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import uvloop

from actors import Node, Overloaded, Result, Wallet
from actors.protocol.canonical_json import encode
from actors.runtime.tuning import dedicate_process
from simulations.benchmarks.load import CONTENT_BYTES, SESSIONS, Pair
from simulations.benchmarks.memory import memory_bytes

TICK_S = 0.005
SIGNED_FOR_BEST = 80_000
SETTLING_S = 10
"""Time until the node's cache of results has its final size."""


@click.command()
@click.option(
    "--seconds",
    type=click.IntRange(SETTLING_S + 5, 3600),
    default=30,
    show_default=True,
    help="Length of the overload.",
)
@click.option(
    "--times",
    type=click.IntRange(2, 100),
    default=10,
    show_default=True,
    help="Offered rate, as a multiple of the highest rate.",
)
def main(seconds: int, times: int) -> None:
    """Print throughput and memory under overload, and the throughput of other processes while one is flooded."""
    dedicate_process()  # like the commands that run a node
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_measure(Path(folder) / "world.db", seconds, times))


async def _measure(path: Path, seconds: int, times: int) -> None:
    async with Node.open(path, new=True, wallet=Wallet(bytes(32))) as node:
        pairs = [Pair(number) for number in range(SESSIONS)]
        await asyncio.gather(*(pair.set_up(node) for pair in pairs))
        load = _Load(node, pairs)
        load.sign(SIGNED_FOR_BEST)
        best = await load.closed(6)
        click.echo(f"best          {best:>8,.0f} sends/s with {_Load.IN_FLIGHT:,} in flight")
        load.sign(int(best * seconds * 2))
        rate, rejections, memory = await load.open(best * times, seconds)
        settled = memory[SETTLING_S:]
        click.echo(
            f"overloaded    {rate:>8,.0f} sends/s accepted of {times * best:,.0f} offered for {seconds} s:"
            f" {rate / best:.2f} of the best"
        )
        click.echo(f"  {rejections}")
        click.echo(
            f"  memory {settled[0]:,.0f} MB after {SETTLING_S} s, {settled[-1]:,.0f} MB at the end,"
            f" at most {max(settled):,.0f} MB"
        )
        load.sign(int(best * 40))
        alone = await load.closed(8)
        flood = asyncio.ensure_future(load.flood(alone * times))
        await asyncio.sleep(1)
        beside = await load.closed(8)
        flood.cancel()
        again = await load.closed(8)
        alone = (alone + again) / 2
        click.echo(
            f"one flooded   {beside:>8,.0f} sends/s of the others, {alone:,.0f} without the flood: {beside / alone:.2f}"
        )


class _Load:
    """Sends messages to a node in several ways."""

    IN_FLIGHT = 1024

    def __init__(self, node: Node, pairs: list[Pair]) -> None:
        self._node = node
        self._pairs = pairs
        self._message = encode({"content": "x" * CONTENT_BYTES})
        self._numbers = iter(range(1, 10**12))
        self._signed: Iterator[bytes] = iter(())

    def sign(self, count: int) -> None:
        """Sign messages in advance."""
        self._signed = iter([self._item() for _ in range(count)])

    async def closed(self, seconds: float) -> float:
        """Closed model: sends per second with a fixed number in flight."""
        accepted, end = 0, time.perf_counter() + seconds

        async def user() -> None:
            nonlocal accepted
            while time.perf_counter() < end:
                try:
                    await self._node.send(next(self._signed))
                except Overloaded:
                    await asyncio.sleep(TICK_S)
                else:
                    accepted += 1

        await asyncio.gather(*(user() for _ in range(self.IN_FLIGHT)))
        return accepted / seconds

    async def open(self, rate: float, seconds: int) -> tuple[float, str, list[float]]:
        """Open model: offer sends at a rate, regardless of replies.

        Returns:
            Sends per second that the node accepted, a text about the rejections, and memory in MB second by second.
        """
        accepted, rejected, reason, memory = 0, 0, "", [memory_bytes() / 1e6]
        started = time.perf_counter()
        offered, again = 0, b""

        def count(result: "asyncio.Future[Result]") -> None:
            nonlocal accepted
            accepted += result.exception() is None

        while (elapsed := time.perf_counter() - started) < seconds:
            while offered < elapsed * rate:
                offered += 1
                raw = again or next(self._signed)
                try:
                    self._node.submit(raw).add_done_callback(count)
                    again = b""
                except Overloaded as error:
                    rejected, reason = rejected + 1, str(error)
                    again = raw  # a rejected sender retries
            if len(memory) < elapsed:
                memory.append(memory_bytes() / 1e6)
            await asyncio.sleep(TICK_S)
        accepted_rate = accepted / elapsed
        await self._node.drain()
        return accepted_rate, f"{rejected:,} rejected: {reason}", memory

    async def flood(self, rate: float) -> None:
        """Offer messages for one process at a rate, until cancelled."""
        items = self._flood_items()
        raw, started, offered = next(items), time.perf_counter(), 0
        while True:
            while offered < (time.perf_counter() - started) * rate:
                offered += 1
                try:
                    self._node.submit(raw)
                    raw = next(items)
                except Overloaded:
                    pass
            await asyncio.sleep(TICK_S)

    def _flood_items(self) -> Iterator[bytes]:
        wallet, handle = self._pairs[0].wallets[1], self._pairs[0].handles[1]
        for number in self._numbers:
            yield wallet.sign(target=handle, action="GetProfile", anchor=number.to_bytes(32, "big"))

    def _item(self) -> bytes:
        number = next(self._numbers)
        return self._pairs[number % SESSIONS].relay("SendMessage", self._message, number.to_bytes(32, "big"))


if __name__ == "__main__":
    main()
