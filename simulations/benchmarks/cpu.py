"""``python -m simulations.benchmarks.cpu``: processor time of a send in each thread and child process of a node."""

import asyncio
import os
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psutil
import uvloop

from actors.node import log_writer, verifier_pool
from actors.runtime.tuning import dedicate_process
from simulations.benchmarks.fresh import fresh_processes
from simulations.benchmarks.load import SESSIONS, node_with_items, send_all

_MICROSECONDS = 1_000_000
_THREADS = {"MainThread": "event loop", "_Writer": "writer", "mostao-node": "pool: snapshots"}
_CHILDREN = {verifier_pool.__name__: "child: signatures", log_writer.DELEGATE_MODULE: "child: the log"}


@click.command()
@click.option("--sends", type=click.IntRange(1000, 10**7), default=40_000, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 10_000), default=1024, show_default=True)
@click.option("--sessions", type=click.IntRange(1, 10**6), default=SESSIONS, show_default=True)
def main(sends: int, in_flight: int, sessions: int) -> None:
    """Print the processor time per durable send, by thread and child process."""
    with TemporaryDirectory() as folder, fresh_processes() as processes:
        elapsed, used = processes.submit(cpu_times, Path(folder) / "node.db", sends, in_flight, sessions).result()
    click.echo(f"{sends:,} sends, {in_flight:,} in flight, {sessions:,} sessions, {os.cpu_count()} cores")
    for name, seconds in [*used.most_common(), ("total", used.total()), ("elapsed", elapsed)]:
        click.echo(f"{name:28}{_MICROSECONDS * seconds / sends:>6,.0f} us per send")


def cpu_times(path: Path, sends: int, in_flight: int, sessions: int) -> tuple[float, Counter[str]]:
    """Elapsed seconds, and processor seconds by thread and child process. Must run in a new process."""
    dedicate_process()
    return uvloop.run(_measure(path, sends, in_flight, sessions))


async def _measure(path: Path, sends: int, in_flight: int, sessions: int) -> tuple[float, Counter[str]]:
    async with node_with_items(path, sends, sessions) as (node, items):
        before, started = _cpu_seconds(), time.perf_counter()
        await asyncio.gather(*(send_all(node, items) for _ in range(in_flight)))
        await node.drain()
        return time.perf_counter() - started, _cpu_seconds() - before


def _cpu_seconds() -> Counter[str]:
    """Processor seconds so far, user and system time."""
    process, used = psutil.Process(), Counter[str]()
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    for thread in process.threads():
        name = next((label for prefix, label in _THREADS.items() if names.get(thread.id, "").startswith(prefix)), "")
        used[name or "other threads"] += thread.user_time + thread.system_time  # type: ignore[assignment]
    for child in process.children():
        times = child.cpu_times()
        name = next((label for module, label in _CHILDREN.items() if module in " ".join(child.cmdline())), "")
        used[name or "other children"] += times.user + times.system  # type: ignore[assignment]
    return used


if __name__ == "__main__":
    main()
