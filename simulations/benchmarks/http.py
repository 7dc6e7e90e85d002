"""``python -m simulations.benchmarks.http``: durable sends over HTTP, beside the same server answering a constant.

Signed items, 64 kept connections, the client in a process of its own. The constant is answered by a Starlette
application on the same uvicorn with the same connections, which reads each post and says nothing of it.
"""

import asyncio
import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from actors import Node, Wallet
from actors.ans104.item import DATA_BYTES_MAX
from actors.http.ao.app import AoApp
from actors.http.common.responses import encode_json
from actors.http.common.server import Listener, Servers, listen
from actors.runtime.tuning import dedicate_process
from eventstore.records import encode_id
from simulations.benchmarks.fresh import fresh_processes
from simulations.benchmarks.load import CONTENT_BYTES, SESSIONS
from simulations.load.http_transport import CONNECTIONS, HttpTransport
from simulations.load.people import Conversation, MessageSource, set_up
from simulations.load.plan import Plan
from simulations.load.transport import ACCEPTED


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--sends", type=click.IntRange(100, 10**6), default=10_000, show_default=True)
@click.option("--sessions", type=click.IntRange(1, 10**6), default=SESSIONS, show_default=True)
def main(rounds: int, sends: int, sessions: int) -> None:
    """Print durable sends per second over HTTP, and what share that is of the constant's posts."""
    figures: list[tuple[float, float]] = []
    with fresh_processes() as processes:
        for number in range(rounds):
            with TemporaryDirectory() as folder:
                with _serving(Path(folder) / "node.db") as url:
                    node = processes.submit(posts_per_second, url, sends, sessions, number, constant=False).result()
                with _serving(None) as url:
                    constant = processes.submit(posts_per_second, url, sends, sessions, number, constant=True).result()
            figures.append((node, constant))
    ratios = [node / constant for node, constant in figures]
    click.echo(f"{rounds} rounds of {sends:,} posts, {CONNECTIONS} connections, {sessions:,} sessions")
    click.echo(f"durable sends/s    {median(node for node, _ in figures):>8,.0f}")
    click.echo(f"constant answers/s {median(constant for _, constant in figures):>8,.0f}")
    click.echo(f"share              {median(ratios):>8.2f}   {' '.join(f'{ratio:.2f}' for ratio in ratios)}")


def posts_per_second(url: str, sends: int, sessions: int, seed: int, *, constant: bool) -> float:
    """What a client that has signed everything beforehand gets answered. Runs in a process of its own."""
    return uvloop.run(_post(url, sends, sessions, seed, constant))


async def _post(url: str, sends: int, sessions: int, seed: int, constant: bool) -> float:
    plan = Plan(sessions, 2 * sessions, CONTENT_BYTES, 0, 0, CONNECTIONS, (), 1, seed)
    transport = await HttpTransport.open(url)
    conversations = (
        _anybody(plan) if constant else await set_up(transport, (await transport.get("/info"))["registry"], plan)
    )
    sources = [MessageSource(one, CONTENT_BYTES, number) for number, one in enumerate(conversations)]
    items = iter([sources[number % sessions].next() for number in range(sends)])
    begun = time.perf_counter()
    await asyncio.gather(*(_client(transport, items) for _ in range(CONNECTIONS)))
    elapsed = time.perf_counter() - begun
    await transport.close()
    return sends / elapsed


async def _client(transport: HttpTransport, items: Iterator[bytes]) -> None:
    for item in items:
        reply = await transport.send(item)
        assert reply.kind == ACCEPTED, reply


def _anybody(plan: Plan) -> list[Conversation]:
    """Sessions of nobody's: the constant does not look."""
    return [
        Conversation(encode_id(key), (key, key), (encode_id(key), encode_id(key)), key)
        for key in (sha256(b"%d %d" % (plan.seed, number)).digest() for number in range(plan.sessions))
    ]


@contextmanager
def _serving(log: Path | None) -> Iterator[str]:
    """A server in a process of its own: of a node, or of a constant."""
    place = listen("127.0.0.1", 0)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(log, place))
    process.start()
    try:
        yield place.url
    finally:
        process.terminate()  # SIGTERM: it stops in order
        process.join()
        place.socket.close()


def _serve(log: Path | None, place: Listener) -> None:
    uvloop.run(_serve_constant(place) if log is None else _serve_node(log, place))


async def _serve_node(log: Path, place: Listener) -> None:
    async with Node.open(log, new=True, wallet=Wallet(bytes(32))) as node:
        dedicate_process()  # as the command does
        await _until_stopped(place, AoApp(node, data_bytes_max=DATA_BYTES_MAX).asgi_app())


async def _serve_constant(place: Listener) -> None:
    answer = encode_json({"message": "Processing DataItem", "id": encode_id(bytes(32))})

    async def post(request: Request) -> Response:
        await request.body()
        return Response(answer, 202, media_type="application/json")

    await _until_stopped(place, Starlette(routes=[Route("/", post, methods=["POST"])]))


async def _until_stopped(place: Listener, app: ASGIApp) -> None:
    servers = Servers([(place, app)])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, servers.stop)
    await servers.run()


if __name__ == "__main__":
    main()
