"""The load of the benchmarks: pairs of people in sessions, and messages of one size. Measures the node under it."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from statistics import quantiles

import uvloop

from actors import Node, Result, Wallet, replay
from actors.audit.audit import audit
from actors.protocol.canonical_json import encode
from actors.runtime.tuning import dedicate_process

SESSIONS = 1000
CONTENT_BYTES = 240
KEYS = encode(dict.fromkeys(("encrypted_sk_by_a", "pubkey_a", "encrypted_sk_by_b", "pubkey_b"), "x" * 64))


def _numbered(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Pair:
    """Two people with a session, in which the first one sends."""

    def __init__(self, number: int) -> None:
        self.names = (f"a{number}", f"b{number}")
        self.wallets = (Wallet(sha256(b"a%d" % number).digest()), Wallet(sha256(b"b%d" % number).digest()))
        self.handles: list[str] = []
        self.session = ""

    async def set_up(self, node: Node) -> None:
        """Register both people, establish their session and rotate its key once."""
        first, second, established = [await node.send(raw) for raw in self.set_up_items(node.registry)]
        self.handles = [first.answer["pid"], second.answer["pid"]]
        self.session = established.answer["sessionID"]
        await node.send(self.relay("RotateSessionKey", KEYS, bytes(32)))

    def set_up_items(self, registry: str) -> list[bytes]:
        """The signed items of both registrations and of the session."""
        both = encode({"handleA": self.names[0], "handleB": self.names[1]})
        return [
            *(
                wallet.sign(target=registry, action="Register", data=encode({"handle": name, "pubkey": "k"}))
                for name, wallet in zip(self.names, self.wallets, strict=True)
            ),
            self.wallets[0].sign(target=registry, action="EstablishSession", data=both),
        ]

    async def find(self, node: Node) -> bool:
        """Look up the handles and the session on a reopened log; False if ``set_up`` was interrupted."""
        both = encode({"handleA": self.names[0], "handleB": self.names[1]})
        found = await node.dryrun(node.registry, action="QuerySession", data=both)
        if found.error is not None:
            return False
        self.session = found.answer["sessionID"]
        for name in self.names:
            handle = await node.dryrun(node.registry, action="QueryHandle", data=encode({"handle": name}))
            self.handles.append(handle.answer["pid"])
        keys = await node.dryrun(self.session, action="GetCurrentKeys")
        return bool(keys.answer)

    def relay(self, action: str, data: str, anchor: bytes) -> bytes:
        """Sign an action of the first person for the session."""
        relayed = encode({"Target": self.session, "Data": data, "Tags": {"Action": action}})
        return self.wallets[0].sign(target=self.handles[0], action="RelayMessage", data=relayed, anchor=anchor)


def sends_per_second(path: Path, *, sends: int, in_flight: int, sessions: int = SESSIONS) -> float:
    """Durable sends per second of a node, with items signed in advance and ``in_flight`` sends in flight.

    Each send is three events.
    """
    dedicate_process()  # like the commands that run a node
    return uvloop.run(_send(path, sends=sends, in_flight=in_flight, sessions=sessions))


def p99_ms(path: Path, *, sends: int, per_second: float) -> float:
    """99th percentile in ms of the time from a send's due time until it is durable, at a constant rate."""
    dedicate_process()
    return uvloop.run(_send_evenly(path, sends=sends, per_second=per_second))


async def _send(path: Path, *, sends: int, in_flight: int, sessions: int) -> float:
    async with node_with_items(path, sends, sessions) as (node, items):
        before = node.sequence
        started = time.perf_counter()
        await asyncio.gather(*(send_all(node, items) for _ in range(in_flight)))
        await node.drain()
        elapsed = time.perf_counter() - started
        assert node.sequence == before + 3 * sends
    return sends / elapsed


async def _send_evenly(path: Path, *, sends: int, per_second: float) -> float:
    latencies: list[float] = []
    async with node_with_items(path, sends) as (node, items):
        started = time.perf_counter()
        for number, item in enumerate(items):
            due = started + number / per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)

            def durable(result: "asyncio.Future[Result]", due: float = due) -> None:
                assert result.result().error is None
                latencies.append(time.perf_counter() - due)

            node.submit(item).add_done_callback(durable)
        await node.drain()
        await asyncio.sleep(0)  # runs the last callbacks
    assert len(latencies) == sends
    return 1000 * quantiles(latencies, n=100)[-1]


@asynccontextmanager
async def node_with_items(
    path: Path, sends: int, sessions: int = SESSIONS
) -> AsyncIterator[tuple[Node, Iterator[bytes]]]:
    """A node with pairs of people who have a session, and the signed items that they will send."""
    async with Node.open(path, new=True, wallet=Wallet(bytes(32))) as node:
        pairs = [Pair(number) for number in range(sessions)]
        await asyncio.gather(*(pair.set_up(node) for pair in pairs))
        message = encode({"content": b64encode(bytes(CONTENT_BYTES * 3 // 4)).decode()})
        items = [
            pairs[number % sessions].relay("SendMessage", message, _numbered(number + 1)) for number in range(sends)
        ]
        await node.drain()
        yield node, iter(items)


async def send_all(node: Node, items: Iterator[bytes]) -> None:
    """Send items one after another, each when the one before is durable."""
    for item in items:
        result = await node.send(item)
        assert result.error is None


def replayed_per_second(path: Path) -> float:
    """Events per second of a replay."""
    started = time.perf_counter()
    replayed = replay(path)
    return replayed.events / (time.perf_counter() - started)


def audited_per_second(path: Path, *, signatures: bool) -> float:
    """Events per second of an audit, with or without verifying signatures."""
    started = time.perf_counter()
    report = audit(path, signatures=signatures)
    assert not report.faults
    return report.events / (time.perf_counter() - started)
