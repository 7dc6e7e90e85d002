"""``python -m simulations.benchmarks.hostile_http``: posts beside clients that read at the others' expense.

Each attack runs against a ``mostao serve`` process of its own. Windows without and with the attack alternate on it. The
posting client and the attacker are processes of their own, on the same cores as the server.
"""

import asyncio
import multiprocessing
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import click
import msgspec
import uvloop

from actors import Node, Wallet
from actors.http.common.connections import RESPONSE_TIMEOUT_S
from actors.protocol.canonical_json import encode
from simulations.benchmarks.fresh import fresh_processes
from simulations.benchmarks.load import CONTENT_BYTES
from simulations.load.http_transport import CONNECTIONS, HttpTransport
from simulations.load.people import MessageSource, set_up
from simulations.load.plan import Plan
from simulations.load.transport import ACCEPTED

SESSIONS = 64
RESULTS, RESULT_BYTES = 1_200, 48 * 1024
"""Number and size of the results that the attackers read."""
SIGNED_PER_S = 5_000
"""Items that the posting client signs in advance for each second."""
SAMPLE_S = 0.05
RETRY_S = 0.1
"""Time that an attacker waits after 503 or a closed connection."""
STOP_S = 120
_COMMAND = (sys.executable, "-c", "from simulations.cli.main import main; main()")


class Window(NamedTuple):
    """What one window measured."""

    posts_per_s: float
    p99_ms: float
    """At half of the rate of the first window."""
    memory_mb: float
    """The most that the server had."""


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Pairs of windows.")
@click.option("--seconds", type=click.IntRange(1, 600), default=6, show_default=True, help="Length of a measurement.")
@click.option("--attack", "names", multiple=True, metavar="NAME", help="Only this attack. Repeatable.")
def main(rounds: int, seconds: int, names: tuple[str, ...]) -> None:
    """Print rate, p99 and memory of posts without and with each attack, and the time that SIGTERM takes during it."""
    unknown = set(names) - ATTACKS.keys()
    if unknown:
        raise click.BadParameter(f"unknown attack {min(unknown)!r}; known: {', '.join(ATTACKS)}", param_hint="--attack")
    click.echo(f"{rounds} rounds of {seconds} s, {CONNECTIONS} posting connections, medians")
    click.echo(f"{'':14}{'posts/s':^24}{'p99 ms at half that':^24}{'memory MB':^24}{'SIGTERM':>9}")
    click.echo(f"{'':14}" + 3 * f"{'idle':>8}{'attack':>8}{'ratio':>8}" + f"{'s':>9}")
    with TemporaryDirectory() as folder:
        log = Path(folder) / "template.db"
        target = uvloop.run(_write_log(log))
        for name in names or ATTACKS:
            copy = Path(folder) / f"{name}.db"
            subprocess.run(["cp", log, copy], check=True)
            subprocess.run(["cp", f"{log}.key", f"{copy}.key"], check=True)
            click.echo(f"{name:14}" + _measured(copy, name, target, rounds, seconds))


def _measured(log: Path, attack: str, target: str, rounds: int, seconds: int) -> str:
    """The columns of an attack."""
    idle: list[Window] = []
    attacked: list[Window] = []
    with _served(log) as (url, server), fresh_processes() as processes:

        def window(number: int, half: float) -> Window:
            with _peak_memory(server.pid) as peak:
                rate, _ = processes.submit(post, url, 2 * number, seconds, None).result()
                _, p99_ms = processes.submit(post, url, 2 * number + 1, seconds, half or rate / 2).result()
            return Window(rate, p99_ms, peak[0] / 1e6)

        half = window(0, 0).posts_per_s / 2  # it also fills the server's caches
        for number in range(rounds):
            idle.append(window(2 * number + 1, half))
            with _attacking(attack, url, target) as attacker:
                attacked.append(window(2 * number + 2, half))
                if number == rounds - 1:
                    started = time.perf_counter()
                    server.send_signal(signal.SIGTERM)
                    server.wait(STOP_S)
                    stopped_s = time.perf_counter() - started
                assert attacker.is_alive(), "the attacker failed"
    columns = ""
    for column, (before, beside) in enumerate(zip(zip(*idle, strict=True), zip(*attacked, strict=True), strict=True)):
        ratio = median(after / base for base, after in zip(before, beside, strict=True))
        decimals = 1 if column == 1 else 0
        columns += f"{median(before):>8,.{decimals}f}{median(beside):>8,.{decimals}f}{ratio:>8.2f}"
    return columns + f"{stopped_s:>9.1f}"


async def _write_log(log: Path) -> str:
    """Make a log with a process that has many large results; returns its id."""
    async with Node.open(log, new=True) as node:
        wallet = Wallet(bytes(32))
        registered = await node.send(
            wallet.sign(target=node.registry, action="Register", data=encode({"handle": "target", "pubkey": "k"}))
        )
        handle = str(registered.answer["pid"])
        profile = encode({"bio": "x" * RESULT_BYTES})
        await node.send(wallet.sign(target=handle, action="ProfileUpdate", data=profile))
        for number in range(RESULTS):
            await node.send(wallet.sign(target=handle, action="GetProfile", anchor=number.to_bytes(32, "big")))
        return handle


_UNREACHED = ("--append-limit", "64GiB/minute", "--spawn-limit", "1000000/minute")
"""Limits that count every event and are not reached: one client posts here what many senders would."""


@contextmanager
def _served(log: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    with subprocess.Popen(
        [*_COMMAND, "serve", str(log), "--port", "0", *_UNREACHED], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "mostao serve did not start"
            yield found[0], server
        finally:
            server.kill()


@contextmanager
def _peak_memory(pid: int) -> Iterator[list[int]]:
    """The most resident memory (bytes) that a process has until the block ends."""
    peak, ended = [0], Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_S):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            peak[0] = max(peak[0], pages * resource.getpagesize())

    thread = Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def post(url: str, seed: int, seconds: int, per_second: float | None) -> tuple[float, float]:
    """Post items for some seconds, at a rate or as fast as possible.

    Returns:
        Posts per second, and their p99 latency in ms from when each was due.
    """
    return uvloop.run(_post(url, seed, seconds, per_second))


async def _post(url: str, seed: int, seconds: int, per_second: float | None) -> tuple[float, float]:
    plan = Plan(SESSIONS, 2 * SESSIONS, CONTENT_BYTES, 0, 0, CONNECTIONS, (), 1, seed)
    transport = await HttpTransport.open(url)
    conversations = await set_up(transport, (await transport.get("/info"))["registry"], plan)
    sources = [MessageSource(conversation, CONTENT_BYTES, number) for number, conversation in enumerate(conversations)]
    count = int(seconds * (per_second or SIGNED_PER_S))
    items = iter([sources[number % SESSIONS].next() for number in range(count)])
    latencies_ms: list[float] = []
    started = time.perf_counter()

    async def send(item: bytes, due: float) -> None:
        reply = await transport.send(item)
        assert reply.kind == ACCEPTED, reply
        latencies_ms.append(1000 * (time.perf_counter() - due))

    async def client() -> None:
        for item in items:
            due = time.perf_counter()
            if due > started + seconds:
                return
            await send(item, due)

    if per_second is None:
        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    else:
        async with asyncio.TaskGroup() as sends:
            for number, item in enumerate(items):
                due = started + number / per_second
                await asyncio.sleep(max(0, due - time.perf_counter()))
                sends.create_task(send(item, due))
    elapsed = time.perf_counter() - started
    await transport.close()
    return len(latencies_ms) / elapsed, quantiles(latencies_ms, n=100)[-1]


@contextmanager
def _attacking(name: str, url: str, target: str) -> Iterator[multiprocessing.Process]:
    """Attack until the block ends."""
    process = multiprocessing.get_context("spawn").Process(target=_attack, args=(name, url, target))
    process.start()
    try:
        time.sleep(2)  # until it has connected
        yield process  # type: ignore[misc]
    finally:
        process.kill()
        process.join()


def _attack(name: str, url: str, target: str) -> None:
    uvloop.run(ATTACKS[name](url, target))


async def _huge_graphql(url: str, _target: str) -> None:
    """Six requests at a time of 63 KB: 1,750 aliases of 100 ids each."""
    fields = " ".join(f"a{number}:transactions(ids:$i){{count}}" for number in range(1_750))
    body = {"query": f"query($i:[ID!]!){{{fields}}}", "variables": {"i": _unknown_ids(100)}}
    raw = msgspec.json.encode(body)
    assert 60_000 < len(raw) < 2**16
    await asyncio.gather(*(_repeat(url, [_post_request("/graphql", raw)]) for _ in range(6)))


async def _legal_requests(url: str, target: str) -> None:
    """Eight connections with the heaviest requests that the limits permit, in turn."""
    ids = {"query": "query($ids: [ID!]!) { transactions(ids: $ids) { edges { node { id tags { name value } } } } }"}
    requests = [
        _post_request("/graphql", msgspec.json.encode({**ids, "variables": {"ids": [target, *_unknown_ids(99)]}})),
        _get_request(f"/{target}?limit=1000"),
        _get_request(f"/results/{target}?limit=1000&sort=DESC"),
        _get_request("/explorer"),
        _get_request(f"/explorer/process/{target}"),
    ]
    await asyncio.gather(*(_repeat(url, requests[number % 5 :] + requests[: number % 5]) for number in range(8)))


async def _unread_results(url: str, target: str) -> None:
    """Twenty connections that request a page of results and never read; each connects again when it is cut off."""
    await asyncio.gather(*(_never_read(url, _get_request(f"/results/{target}?limit=1000")) for _ in range(20)))


async def _event_streams(url: str, _target: str) -> None:
    """Three hundred event streams, as of forgotten browser tabs."""
    await asyncio.gather(*(_repeat(url, [_get_request("/explorer/events")]) for _ in range(300)))


async def _long_readers(url: str, target: str) -> None:
    """Twelve connections that read pages of 1,000 messages or results, one after the other."""
    requests = [_get_request(f"/results/{target}?limit=1000"), _get_request(f"/{target}?limit=1000")]
    await asyncio.gather(*(_repeat(url, requests) for _ in range(12)))


ATTACKS: dict[str, Callable[[str, str], Coroutine[Any, Any, None]]] = {
    "graphql": _huge_graphql,
    "legal": _legal_requests,
    "unread": _unread_results,
    "streams": _event_streams,
    "long-pages": _long_readers,
}
"""The attacks by their names."""


async def _repeat(url: str, requests: list[bytes]) -> None:
    """Send requests in turn on one connection, and read the responses; connect again when it is closed."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError):
            _, client = await loop.create_connection(lambda: _Client(requests), *_address(url))
            await client.closed
        await asyncio.sleep(RETRY_S)


class _Client(asyncio.Protocol):
    """Sends the next request when the response is complete; a little later if it was 503. Discards all bodies."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = cycle(requests)
        self._head = b""
        self._rest: float = 0
        """Bytes of the body that are missing; infinite for a stream."""
        self._wait_s = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's transports are no subclass
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self._rest:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            self._head = b""
            length = re.search(rb"(?i)content-length: (\d+)", head)
            self._rest = int(length[1]) if length else float("inf")
            self._wait_s = RETRY_S if b" 503 " in head[:16] else 0
        self._rest -= len(data)
        if not self._rest:
            asyncio.get_running_loop().call_later(self._wait_s, self._send)

    def _send(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(next(self._requests))


async def _never_read(url: str, request: bytes) -> None:
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError):
            transport, _ = await loop.create_connection(_Silent, *_address(url))
            transport.write(request)
            await asyncio.sleep(RESPONSE_TIMEOUT_S + 1)
            transport.abort()


class _Silent(asyncio.Protocol):
    """Reads nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).pause_reading()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _get_request(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: node\r\n\r\n" % path.encode()


def _post_request(path: str, body: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: node\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)


def _unknown_ids(count: int) -> list[str]:
    return [f"{number:04}".ljust(43, "A") for number in range(count)]


if __name__ == "__main__":
    main()
