"""``python -m simulations.benchmarks.peers``: compares the node with two alternatives, in one run.

``eventsourcing`` is the package of that name on SQLite, with an aggregate per session and a save per send.
``pykka threads`` is an actor thread per session with a commit per message. Neither of them signs or verifies messages,
spawns processes, sends notifications or chains hashes.
"""

import os
import queue
import sqlite3
import threading
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import pykka

from simulations.benchmarks import load
from simulations.benchmarks.fresh import fresh_processes
from simulations.benchmarks.load import CONTENT_BYTES, SESSIONS

CONTENT = b64encode(bytes(CONTENT_BYTES * 3 // 4)).decode()
SENDERS = 64
"""Number of threads that send to the actor threads."""


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--sends", type=click.IntRange(100, 10**6), default=40_000, show_default=True)
@click.option("--sessions", type=click.IntRange(1, 10**6), default=SESSIONS, show_default=True)
def main(rounds: int, sends: int, sessions: int) -> None:
    """Print durable sends per second of each, and the node's as a multiple of them."""
    measurements: defaultdict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder, fresh_processes() as processes:
        for number in range(rounds):
            for name, measure in (
                ("mostao", node_sends),
                ("eventsourcing", eventsourcing_sends),
                ("pykka threads", pykka_sends),
            ):
                path = Path(folder) / f"{name}-{number}.db"
                measurements[name].append(processes.submit(measure, path, sends, sessions).result())
    click.echo(f"{rounds} rounds of {sends:,} sends, {sessions:,} sessions, {CONTENT_BYTES} bytes")
    click.echo(f"{'':16}{'sends/s':>10}{'mostao is':>12}   round by round")
    for name, rates in measurements.items():
        ratios = [node / peer for node, peer in zip(measurements["mostao"], rates, strict=True)]
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        click.echo(f"{name:16}{median(rates):>10,.0f}{median(ratios):>10.2f} x   {shown}")


def node_sends(path: Path, sends: int, sessions: int) -> float:
    """Durable sends per second of the node."""
    return load.sends_per_second(path, sends=sends, in_flight=1024, sessions=sessions)


def eventsourcing_sends(path: Path, sends: int, sessions: int) -> float:
    """Durable sends per second of the package ``eventsourcing``."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Conversation(Aggregate):
        def __init__(self) -> None:
            self.messages: list[str] = []

        @event("Sent")
        def send(self, content: str) -> None:
            self.messages.append(content)

    os.environ |= {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    application = Application[Any]()
    conversations = [Conversation() for _ in range(sessions)]
    application.save(*conversations)
    started = time.perf_counter()
    for number in range(sends):
        conversation = conversations[number % sessions]
        conversation.send(CONTENT)
        application.save(conversation)
    elapsed = time.perf_counter() - started
    application.close()
    return sends / elapsed


class _Session(pykka.ThreadingActor):
    """A session with its own thread, which commits each message."""

    use_daemon_thread = True
    _turn = threading.Lock()
    """SQLite allows one writer at a time; without this lock the threads would wait for it by polling."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def on_receive(self, message: str) -> int:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=60)
            self._connection.execute("pragma synchronous = full")
        with self._turn:
            self._connection.execute("insert into messages (content) values (?)", (message,))
        return 0

    def on_stop(self) -> None:
        if self._connection is not None:
            self._connection.close()


def pykka_sends(path: Path, sends: int, sessions: int) -> float:
    """Durable sends per second of an actor thread per session."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table messages (id integer primary key, content text)")
    actors = [_Session.start(path) for _ in range(sessions)]
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(sends):
        numbers.put(number)

    def send() -> None:
        for number in _drain(numbers):
            actors[number % sessions].ask(CONTENT)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    assert connection.execute("select count(*) from messages").fetchone() == (sends,)
    pykka.ActorRegistry.stop_all()
    connection.close()
    return sends / elapsed


def _drain(numbers: "queue.SimpleQueue[int]") -> Iterator[int]:
    while True:
        try:
            yield numbers.get_nowait()
        except queue.Empty:
            return


if __name__ == "__main__":
    main()
