"""The ceiling: the minimum of a node's work in one CPython process, as the reference for the node's rates.

A send is three hash-chained events. Its Ed25519 signature is verified first. One thread commits events to SQLite in
groups (WAL, ``synchronous=FULL``), and a send is acknowledged when its batch is durable. There is no identity, no
authorisation, no encryption and no error handling: the difference to the node is the cost of these.
"""

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec
import uvloop
from nacl.bindings import crypto_sign, crypto_sign_keypair, crypto_sign_open

from simulations.benchmarks.load import CONTENT_BYTES, SESSIONS


class _Event(msgspec.Struct, array_like=True, gc=False):
    id: bytes
    sender: bytes
    target: bytes
    action: str
    data: bytes
    parent: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Event).decode
_TABLE = (
    "create table events(sequence integer primary key, process blob, slot integer, timestamp integer, id blob,"
    " chain blob, body blob)"
)


class _GroupCommit:
    """Writes one batch at a time; the next one fills meanwhile."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path, self._loop = path, loop
        self._sequence, self._chain = 0, bytes(32)
        self._rows: list[tuple[Any, ...]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writing = False
        self._due = False
        self._batches: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def append(self, slot: int, event: _Event) -> int:
        body = _encode(event)
        self._sequence += 1
        self._chain = sha256(self._chain + body).digest()
        now = time.time_ns() // 1_000_000
        self._rows.append((self._sequence, event.target, slot, now, event.id, self._chain, body))
        return now

    def durable(self) -> "asyncio.Future[None]":
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._flush)
        return waiter

    def close(self) -> None:
        self._batches.put(None)
        self._thread.join()

    def _flush(self) -> None:
        self._due = False
        if self._rows and not self._writing:
            self._writing = True
            self._batches.put((self._rows, self._waiting))
            self._rows, self._waiting = [], []

    def _acknowledge(self, waiters: "list[asyncio.Future[None]]") -> None:
        self._writing = False
        for waiter in waiters:
            waiter.set_result(None)
        self._flush()

    def _write(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        for statement in ("pragma journal_mode = wal", "pragma synchronous = full", _TABLE):
            connection.execute(statement)
        connection.execute("create unique index by_process on events(process, slot)")
        while (batch := self._batches.get()) is not None:
            rows, waiters = batch
            connection.execute("begin")
            connection.executemany("insert into events values (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("commit")
            self._loop.call_soon_threadsafe(self._acknowledge, waiters)
        connection.close()


def sends_per_second(path: Path, *, sends: int, in_flight: int) -> float:
    """Durable signed sends per second with ``in_flight`` sends in flight."""
    elapsed, _ = uvloop.run(_send(path, sends=sends, in_flight=in_flight))
    return sends / elapsed


def p99_ms(path: Path, *, sends: int, in_flight: int) -> float:
    """99th percentile in ms of the time from a send's start until it is durable, with ``in_flight`` sends in flight."""
    _, latencies = uvloop.run(_send(path, sends=sends, in_flight=in_flight))
    return 1000 * quantiles(latencies, n=100)[-1]


async def _send(path: Path, *, sends: int, in_flight: int) -> tuple[float, list[float]]:
    """Seconds that all sends took together, and seconds that each took."""
    loop = asyncio.get_running_loop()
    log, pool = _GroupCommit(path, loop), ThreadPoolExecutor(os.cpu_count())
    sessions = [os.urandom(32) for _ in range(SESSIONS)]
    handles = [os.urandom(32) for _ in range(2 * SESSIONS)]
    slots: defaultdict[bytes, int] = defaultdict(int)
    history: defaultdict[bytes, list[Any]] = defaultdict(list)
    chats: defaultdict[bytes, dict[bytes, int]] = defaultdict(dict)
    content = os.urandom(CONTENT_BYTES)
    public_key, secret_key = crypto_sign_keypair()
    signed = crypto_sign(content, secret_key)
    numbers, latencies = iter(range(sends)), list[float]()

    def assign(event: _Event) -> int:
        slots[event.target] += 1
        return log.append(slots[event.target], event)

    async def user() -> None:
        for number in numbers:
            sent_s, pair = time.perf_counter(), number % SESSIONS
            alice, bob, session = handles[2 * pair], handles[2 * pair + 1], sessions[pair]
            await loop.run_in_executor(pool, crypto_sign_open, signed, public_key)
            relay = _Event(os.urandom(32), alice, alice, "RelayMessage", content, b"")
            assign(relay)
            sent = _Event(sha256(relay.id).digest(), alice, session, "SendMessage", content, relay.id)
            history[session].append((assign(sent), alice, 1, content))
            notify = _Event(sha256(sent.id).digest(), session, bob, "Notify", b"{}", sent.id)
            chats[bob][session] = assign(notify)
            await log.durable()
            latencies.append(time.perf_counter() - sent_s)

    started = time.perf_counter()
    await asyncio.gather(*(user() for _ in range(in_flight)))
    elapsed = time.perf_counter() - started
    log.close()
    pool.shutdown()
    return elapsed, latencies


def replayed_per_second(path: Path) -> float:
    """Events per second of a replay: read, check the chain, apply, and compare with the parent's outbox."""
    connection = sqlite3.connect(path)
    chain, count = bytes(32), 0
    history: defaultdict[bytes, list[Any]] = defaultdict(list)
    chats: defaultdict[bytes, dict[bytes, int]] = defaultdict(dict)
    unsent: deque[bytes] = deque()
    started = time.perf_counter()
    for _, process, _, timestamp, _, hashed, body in connection.execute("select * from events order by sequence"):
        chain = sha256(chain + body).digest()
        assert chain == hashed
        event = _decode(body)
        if event.action != "RelayMessage":
            assert event.id == unsent.popleft()
        if event.action == "Notify":
            chats[process][event.sender] = timestamp
        else:
            if event.action == "SendMessage":
                history[process].append((timestamp, event.sender, 1, event.data))
            unsent.append(sha256(event.id).digest())
        count += 1
    elapsed = time.perf_counter() - started
    connection.close()
    return count / elapsed
