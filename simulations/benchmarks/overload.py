"""``python -m simulations.benchmarks.overload``: offer a node ten times what it can take, and flood one process."""

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
"""Until the node keeps as many answers as it ever keeps."""


@click.command()
@click.option(
    "--seconds", type=click.IntRange(SETTLING_S + 5, 3600), default=30, show_default=True, help="Of overload."
)
@click.option("--times", type=click.IntRange(2, 100), default=10, show_default=True, help="What is offered, in bests.")
def main(seconds: int, times: int) -> None:
    """Print what becomes of throughput and memory."""
    dedicate_process()  # as the commands do that run a node
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_measure(Path(folder) / "world.db", seconds, times))


async def _measure(path: Path, seconds: int, times: int) -> None:
    async with Node.open(path, new=True, wallet=Wallet(bytes(32))) as node:
        pairs = [Pair(number) for number in range(SESSIONS)]
        await asyncio.gather(*(pair.meet(node) for pair in pairs))
        load = _Load(node, pairs)
        load.sign(SIGNED_FOR_BEST)
        best = await load.closed(6)
        click.echo(f"best          {best:>8,.0f} sends/s with {_Load.IN_FLIGHT:,} in flight")
        load.sign(int(best * seconds * 2))
        taken, refusals, memory = await load.open(best * times, seconds)
        flat = memory[SETTLING_S:]
        click.echo(
            f"overloaded    {taken:>8,.0f} sends/s taken of {times * best:,.0f} offered for {seconds} s:"
            f" {taken / best:.2f} of the best"
        )
        click.echo(f"  {refusals}")
        click.echo(
            f"  memory {flat[0]:,.0f} MB after {SETTLING_S} s, {flat[-1]:,.0f} MB at the end, most {max(flat):,.0f} MB"
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
    IN_FLIGHT = 1024

    def __init__(self, node: Node, pairs: list[Pair]) -> None:
        self._node = node
        self._pairs = pairs
        self._said = encode({"content": "x" * CONTENT_BYTES})
        self._numbers = iter(range(1, 10**12))
        self._signed: Iterator[bytes] = iter(())

    def sign(self, count: int) -> None:
        """Sign so many messages beforehand."""
        self._signed = iter([self._item() for _ in range(count)])

    async def closed(self, seconds: float) -> float:
        """Sends per second with a fixed number in flight, each user sending its next message when it has an answer."""
        taken, end = 0, time.perf_counter() + seconds

        async def user() -> None:
            nonlocal taken
            while time.perf_counter() < end:
                try:
                    await self._node.send(next(self._signed))
                except Overloaded:
                    await asyncio.sleep(TICK_S)
                else:
                    taken += 1

        await asyncio.gather(*(user() for _ in range(self.IN_FLIGHT)))
        return taken / seconds

    async def open(self, rate: float, seconds: int) -> tuple[float, str, list[float]]:
        """Sends per second that are taken of those offered at a rate that waits for nobody; what the others are
        answered; memory in MB, second by second.
        """
        taken, refused, reason, memory = 0, 0, "", [memory_bytes() / 1e6]
        begun = time.perf_counter()
        offered, again = 0, b""

        def answered(result: "asyncio.Future[Result]") -> None:
            nonlocal taken
            taken += result.exception() is None

        while (elapsed := time.perf_counter() - begun) < seconds:
            while offered < elapsed * rate:
                offered += 1
                raw = again or next(self._signed)
                try:
                    self._node.submit(raw).add_done_callback(answered)
                    again = b""
                except Overloaded as error:
                    refused, reason = refused + 1, str(error)
                    again = raw  # whoever is told to try again does
            if len(memory) < elapsed:
                memory.append(memory_bytes() / 1e6)
            await asyncio.sleep(TICK_S)
        rate_taken = taken / elapsed
        await self._node.drain()
        return rate_taken, f"{refused:,} were answered: {reason}", memory

    async def flood(self, rate: float) -> None:
        """Offer messages for one process at a rate, until cancelled."""
        flooded = self._flooding()
        raw, begun, offered = next(flooded), time.perf_counter(), 0
        while True:
            while offered < (time.perf_counter() - begun) * rate:
                offered += 1
                try:
                    self._node.submit(raw)
                    raw = next(flooded)
                except Overloaded:
                    pass
            await asyncio.sleep(TICK_S)

    def _flooding(self) -> Iterator[bytes]:
        wallet, handle = self._pairs[0].wallets[1], self._pairs[0].handles[1]
        for number in self._numbers:
            yield wallet.sign(target=handle, action="GetProfile", anchor=number.to_bytes(32, "big"))

    def _item(self) -> bytes:
        number = next(self._numbers)
        return self._pairs[number % SESSIONS].relay("SendMessage", self._said, number.to_bytes(32, "big"))


if __name__ == "__main__":
    main()
