"""``python -m simulations.benchmarks.http``: durable sends over HTTP, compared with a server of constant responses.

The client is a process of its own with 64 persistent connections, and sends signed items. The constant server is a
Starlette application on the same uvicorn that reads each request and ignores its body.
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
    """Print durable sends per second over HTTP, responses per second of the constant server, and their ratio."""
    rates: list[tuple[float, float]] = []
    with fresh_processes() as processes:
        for number in range(rounds):
            with TemporaryDirectory() as folder:
                with _serving(Path(folder) / "node.db") as url:
                    node = processes.submit(posts_per_second, url, sends, sessions, number, constant=False).result()
                with _serving(None) as url:
                    constant = processes.submit(posts_per_second, url, sends, sessions, number, constant=True).result()
            rates.append((node, constant))
    ratios = [node / constant for node, constant in rates]
    click.echo(f"{rounds} rounds of {sends:,} posts, {CONNECTIONS} connections, {sessions:,} sessions")
    click.echo(f"durable sends/s    {median(node for node, _ in rates):>8,.0f}")
    click.echo(f"constant/s         {median(constant for _, constant in rates):>8,.0f}")
    click.echo(f"share              {median(ratios):>8.2f}   {' '.join(f'{ratio:.2f}' for ratio in ratios)}")


def posts_per_second(url: str, sends: int, sessions: int, seed: int, *, constant: bool) -> float:
    """Requests per second of a client that has signed its items in advance. Must run in a new process."""
    return uvloop.run(_post(url, sends, sessions, seed, constant))


async def _post(url: str, sends: int, sessions: int, seed: int, constant: bool) -> float:
    plan = Plan(sessions, 2 * sessions, CONTENT_BYTES, 0, 0, CONNECTIONS, (), 1, seed)
    transport = await HttpTransport.open(url)
    if constant:
        conversations = _made_up_conversations(plan)
    else:
        conversations = await set_up(transport, (await transport.get("/info"))["registry"], plan)
    sources = [MessageSource(conversation, CONTENT_BYTES, number) for number, conversation in enumerate(conversations)]
    items = iter([sources[number % sessions].next() for number in range(sends)])
    started = time.perf_counter()
    await asyncio.gather(*(_client(transport, items) for _ in range(CONNECTIONS)))
    elapsed = time.perf_counter() - started
    await transport.close()
    return sends / elapsed


async def _client(transport: HttpTransport, items: Iterator[bytes]) -> None:
    for item in items:
        reply = await transport.send(item)
        assert reply.kind == ACCEPTED, reply


def _made_up_conversations(plan: Plan) -> list[Conversation]:
    """Sessions that exist on no node, for the constant server, which does not check."""
    return [
        Conversation(encode_id(key), (key, key), (encode_id(key), encode_id(key)), key)
        for key in (sha256(b"%d %d" % (plan.seed, number)).digest() for number in range(plan.sessions))
    ]


@contextmanager
def _serving(log: Path | None) -> Iterator[str]:
    """Run the node's server, or without a log the constant server, in a process of its own; yields its URL."""
    listener = listen("127.0.0.1", 0)
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(log, listener))
    process.start()
    try:
        yield listener.url
    finally:
        process.terminate()  # SIGTERM: the server closes in order
        process.join()
        listener.socket.close()


def _serve(log: Path | None, listener: Listener) -> None:
    uvloop.run(_serve_constant(listener) if log is None else _serve_node(log, listener))


async def _serve_node(log: Path, listener: Listener) -> None:
    async with Node.open(log, new=True, wallet=Wallet(bytes(32))) as node:
        dedicate_process()  # like mostao serve
        await _until_stopped(listener, AoApp(node, data_bytes_max=DATA_BYTES_MAX).asgi_app())


async def _serve_constant(listener: Listener) -> None:
    response = encode_json({"message": "Processing DataItem", "id": encode_id(bytes(32))})

    async def post(request: Request) -> Response:
        await request.body()
        return Response(response, 202, media_type="application/json")

    await _until_stopped(listener, Starlette(routes=[Route("/", post, methods=["POST"])]))


async def _until_stopped(listener: Listener, app: ASGIApp) -> None:
    servers = Servers([(listener, app)])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, servers.stop)
    await servers.run()


if __name__ == "__main__":
    main()
