"""What the node and its ceiling are both given: pairs of people in sessions, and messages of one size."""

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
    """Two people, of whom the first speaks."""

    def __init__(self, number: int) -> None:
        self.names = (f"a{number}", f"b{number}")
        self.wallets = (Wallet(sha256(b"a%d" % number).digest()), Wallet(sha256(b"b%d" % number).digest()))
        self.handles: list[str] = []
        self.session = ""

    async def meet(self, node: Node) -> None:
        """Register both, establish their session and give it a key."""
        one, other, both = [await node.send(raw) for raw in self.introductions(node.registry)]
        self.handles = [one.answer["pid"], other.answer["pid"]]
        self.session = both.answer["sessionID"]
        await node.send(self.relay("RotateSessionKey", KEYS, bytes(32)))

    def introductions(self, registry: str) -> list[bytes]:
        """Both registrations, and the session's establishment."""
        both = encode({"handleA": self.names[0], "handleB": self.names[1]})
        return [
            *(
                wallet.sign(target=registry, action="Register", data=encode({"handle": name, "pubkey": "k"}))
                for name, wallet in zip(self.names, self.wallets, strict=True)
            ),
            self.wallets[0].sign(target=registry, action="EstablishSession", data=both),
        ]

    async def find(self, node: Node) -> bool:
        """Look up what ``meet`` made on a log that is open again; False if it was never finished."""
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
        """The first one's signed message to the session."""
        relayed = encode({"Target": self.session, "Data": data, "Tags": {"Action": action}})
        return self.wallets[0].sign(target=self.handles[0], action="RelayMessage", data=relayed, anchor=anchor)


def sends_per_second(path: Path, *, sends: int, in_flight: int, sessions: int = SESSIONS) -> float:
    """Durable sends per second of a node, signed beforehand, with so many in flight. Each is three events."""
    dedicate_process()  # as the commands do that run a node
    return uvloop.run(_send(path, sends=sends, in_flight=in_flight, sessions=sessions))


def p99_ms(path: Path, *, sends: int, per_second: float) -> float:
    """99th percentile of the milliseconds from when a send was due until it was durable, at an even rate."""
    dedicate_process()
    return uvloop.run(_send_evenly(path, sends=sends, per_second=per_second))


async def _send(path: Path, *, sends: int, in_flight: int, sessions: int) -> float:
    async with talking(path, sends, sessions) as (node, items):
        before = node.sequence
        begun = time.perf_counter()
        await asyncio.gather(*(speak(node, items) for _ in range(in_flight)))
        await node.drain()
        elapsed = time.perf_counter() - begun
        assert node.sequence == before + 3 * sends
    return sends / elapsed


async def _send_evenly(path: Path, *, sends: int, per_second: float) -> float:
    latencies: list[float] = []
    async with talking(path, sends) as (node, items):
        begun = time.perf_counter()
        for number, item in enumerate(items):
            due = begun + number / per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)

            def durable(result: "asyncio.Future[Result]", due: float = due) -> None:
                assert result.result().error is None
                latencies.append(time.perf_counter() - due)

            node.submit(item).add_done_callback(durable)
        await node.drain()
        await asyncio.sleep(0)  # for the last ones' callbacks
    assert len(latencies) == sends
    return 1000 * quantiles(latencies, n=100)[-1]


@asynccontextmanager
async def talking(path: Path, sends: int, sessions: int = SESSIONS) -> AsyncIterator[tuple[Node, Iterator[bytes]]]:
    """A node with pairs of people who have met, and what they will send."""
    async with Node.open(path, new=True, wallet=Wallet(bytes(32))) as node:
        pairs = [Pair(number) for number in range(sessions)]
        await asyncio.gather(*(pair.meet(node) for pair in pairs))
        said = encode({"content": b64encode(bytes(CONTENT_BYTES * 3 // 4)).decode()})
        items = [pairs[number % sessions].relay("SendMessage", said, _numbered(number + 1)) for number in range(sends)]
        await node.drain()
        yield node, iter(items)


async def speak(node: Node, items: Iterator[bytes]) -> None:
    """One of those who send, each item when the one before is durable."""
    for item in items:
        result = await node.send(item)
        assert result.error is None


def replayed_per_second(path: Path) -> float:
    """Events per second of a replay."""
    begun = time.perf_counter()
    replayed = replay(path)
    return replayed.events / (time.perf_counter() - begun)


def audited_per_second(path: Path, *, signatures: bool) -> float:
    """Events per second of an audit, with or without verifying signatures."""
    begun = time.perf_counter()
    report = audit(path, signatures=signatures)
    assert not report.faults
    return report.events / (time.perf_counter() - begun)
