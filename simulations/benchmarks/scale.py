"""``python -m simulations.benchmarks.scale``: memory and time of many processes and of a long conversation."""

import asyncio
import tempfile
import time
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import median

import click
import uvloop

from actors import Limits, Node, Wallet
from actors.ans104.item import message_of, parse
from actors.evaluation.process_table import ProcessTable
from actors.processes import REGISTRIES
from actors.processes.messaging.registry_v3 import NAMES_MAX
from actors.protocol.canonical_json import encode
from actors.protocol.derived_ids import spawned_id
from eventstore import Assignment, Message, Sequencer, open_log
from eventstore.records import encode_id
from simulations.benchmarks.fresh import fresh_processes
from simulations.benchmarks.load import CONTENT_BYTES, KEYS, Pair
from simulations.benchmarks.memory import memory_bytes

QUERIES = 1000
PAGE = 50
BATCH = 8192
_WARM = 1000
"""Number of handles that get a message before memory is measured."""
_KIB, _MIB = 1024, 1024 * 1024
_WALLET = Wallet(bytes(32))


@click.command()
@click.option("--processes", type=click.IntRange(2 * _WARM, 10**7), default=100_000, show_default=True)
@click.option("--messages", type=click.IntRange(100, 10**8), default=1_000_000, show_default=True)
def main(processes: int, messages: int) -> None:
    """Print memory per live process, the time to open a log, and the time of queries in one long conversation."""
    with tempfile.TemporaryDirectory() as folder, fresh_processes() as fresh:
        path = Path(folder) / "handles.db"
        fresh.submit(register, path, processes).result()
        live = fresh.submit(wake, path, processes).result()
        click.echo(f"{processes:,} live processes: {live / processes / _KIB:.1f} KiB each, including the state")
        path = Path(folder) / "session.db"
        events = fresh.submit(converse, path, messages).result()
        replayed_s = fresh.submit(open_seconds, path).result()
        opened_s = fresh.submit(open_seconds, path).result()
        click.echo(
            f"a log of {events:,} events opens in {opened_s:.3f} s from snapshots, in {replayed_s:.1f} s by replaying"
        )
        memory, wake_s, took = fresh.submit(query, path, messages).result()
        took.sort()
        click.echo(
            f"a session of {messages:,} messages: {memory / _MIB:.0f} MiB in memory, restored in {wake_s:.2f} s;"
            f" QueryMessage, limit {PAGE}, any span: median {median(took) * 1e3:.2f} ms,"
            f" p99 {took[int(len(took) * 0.99)] * 1e3:.2f} ms, maximum {took[-1] * 1e3:.2f} ms of {len(took):,}"
        )


def register(path: Path, count: int) -> None:
    """Make a log with this many handles."""

    async def run() -> None:
        async with Node.open(path, new=True, wallet=_WALLET) as node:
            for start in range(0, count, 4096):
                numbers = range(start, min(start + 4096, count))
                await asyncio.gather(*(node.send(_register(node.registry, number)) for number in numbers))

    uvloop.run(run())


def wake(path: Path, count: int) -> int:
    """Bytes of memory that this many handles take while all of them are live."""

    async def run() -> int:
        async with Node.open(path, wallet=_WALLET, limits=Limits(live_max=2 * count)) as node:
            handles: list[str] = []
            for number in range(0, count, NAMES_MAX):
                owner = encode({"owner": _owner(number).address})
                found = await node.dryrun(node.registry, action="GetHandles", data=owner)
                handles += [row["pid"] for row in found.answer]
            assert len(handles) == count
            await _write_to(node, handles[:_WARM], b"warm")
            before, awake = memory_bytes(), node.load().live_processes
            await _write_to(node, handles, b"measured")
            after = memory_bytes() - before
            return after * count // (node.load().live_processes - awake)

    return uvloop.run(run())


async def _write_to(node: Node, handles: list[str], label: bytes) -> None:
    for start in range(0, len(handles), 4096):
        batch = enumerate(handles[start : start + 4096], start)
        anchors = ((handle, sha256(label + b"%d" % number).digest()) for number, handle in batch)
        items = (_WALLET.sign(target=handle, action="GetUnread", anchor=anchor) for handle, anchor in anchors)
        await asyncio.gather(*map(node.send, items))
    await node.drain()


def _register(registry: str, number: int) -> bytes:
    body = encode({"handle": f"user-{number}", "pubkey": "k" * 44})
    return _owner(number).sign(target=registry, action="Register", data=body)


def _owner(number: int) -> Wallet:
    """The owner of a handle. An owner has at most ``NAMES_MAX`` of them."""
    return _wallet(number // NAMES_MAX)


@lru_cache
def _wallet(number: int) -> Wallet:
    return Wallet(sha256(b"owner %d" % number).digest())


def converse(path: Path, count: int) -> int:
    """Make a log of a conversation with this many messages; returns its number of events.

    Messages are evaluated and chained as in a node, but without one, because sending is not measured here.
    """
    log, sequencer = open_log(path), Sequencer()
    epoch = log.take_lease("benchmark").epoch
    batch: list[Assignment] = []
    world = ProcessTable(log.payloads)

    def send(message: Message) -> Message:
        unsent = deque([message])
        while unsent:
            assignment = sequencer.assign(unsent.popleft(), sequencer.timestamp + 1)
            evaluated = world.evaluate(assignment)
            assignment.output, assignment.error = evaluated.output, evaluated.error
            assert assignment.error is None
            batch.append(assignment)
            unsent.extend(evaluated.outbox)
        if len(batch) >= BATCH:
            flush()
        return message

    def flush() -> None:
        log.append(batch, expected=batch[0].sequence - 1, epoch=epoch)
        batch.clear()

    pair = Pair(0)
    registry = send(_message(_WALLET.sign(tags=[("Type", "Process"), ("Module", REGISTRIES[-1])]))).id
    first, second, established = [send(_message(raw)).id for raw in pair.set_up_items(registry)]
    pair.handles, pair.session = [spawned_id(first, 0), spawned_id(second, 0)], spawned_id(established, 0)
    send(_message(pair.relay("RotateSessionKey", KEYS, bytes(32))))
    content = encode({"content": b64encode(bytes(CONTENT_BYTES * 3 // 4)).decode()})
    template = _message(pair.relay("SendMessage", content, bytes(32)))
    for number in range(count):  # all messages share one signature, because it is not verified here
        identity = encode_id(sha256(b"%d" % number).digest())
        send(
            Message(
                identity,
                template.sender,
                template.target,
                template.action,
                template.tags,
                template.data,
                "",
                None,
                template.envelope,
            )
        )
    flush()
    log.close()
    return sequencer.sequence


def open_seconds(path: Path) -> float:
    """Seconds until a node has opened a log."""

    async def run() -> float:
        started = time.perf_counter()
        async with Node.open(path, wallet=_WALLET):
            return time.perf_counter() - started

    return uvloop.run(run())


def query(path: Path, messages: int) -> tuple[int, float, list[float]]:
    """Bytes and seconds to restore a session, and the seconds that queries of it take."""

    async def run() -> tuple[int, float, list[float]]:
        async with Node.open(path, wallet=_WALLET) as node:
            pair = Pair(0)
            before, started = memory_bytes(), time.perf_counter()
            assert await pair.find(node)
            newest = (await node.dryrun(pair.session, action="QueryMessage", data='{"limit":1}')).answer[0]
            wake_s, memory = time.perf_counter() - started, memory_bytes() - before
            assert newest["id"] == messages
            took = []
            for span in _spans(newest["timestamp"]):
                started = time.perf_counter()
                answer = (await node.dryrun(pair.session, action="QueryMessage", data=span)).answer
                took.append(time.perf_counter() - started)
                assert len(answer) <= PAGE
            return memory, wake_s, took

    return uvloop.run(run())


def _spans(end: float) -> Iterator[str]:
    random = Random(1)
    for _ in range(QUERIES):
        from_s, until_s = sorted((random.uniform(0, end), random.uniform(0, end)))
        yield encode({"from": from_s, "until": until_s, "limit": PAGE, "order": random.choice(["ASC", "DESC"])})


def _message(raw: bytes) -> Message:
    return message_of(parse(raw))


if __name__ == "__main__":
    main()
