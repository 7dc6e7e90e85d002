"""The process of a load generator: it signs items, sends them and measures the latency of the replies."""

import asyncio
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle
from math import ceil
from pathlib import Path
from random import Random

import msgspec
import uvloop

from actors.ans104.item import item_id
from simulations.load.arrivals import arrivals
from simulations.load.connect import open_transport
from simulations.load.people import Conversation, MessageSource
from simulations.load.plan import Plan, Stage
from simulations.load.time_series import Second
from simulations.load.transport import ACCEPTED, RATE_LIMITED, Transport
from simulations.report.histogram import LATENCY_US_MAX, Histogram

DRAIN_S = 60.0
"""How long to wait for replies after the last send."""
_SENDS_PER_TURN = 32


class Job(msgspec.Struct):
    """One generator's part of a run."""

    number: int
    address: str
    """Address of the node: a socket's path or a URL."""
    acknowledged: str
    """Path of the file for the ids of acknowledged sends."""
    plan: Plan
    conversations: list[Conversation]
    in_flight: int


class _Load:
    """Sends the load of one job, and prints one ``Second`` per second."""

    def __init__(self, job: Job, transport: Transport) -> None:
        self._plan = job.plan
        self._job = job
        self._transport = transport
        self._sources = cycle(
            [
                MessageSource(conversation, job.plan.content_bytes, number)
                for number, conversation in enumerate(job.conversations)
            ]
        )
        self._acknowledged: list[str] = []
        self._begun = 0.0
        self._second = -1
        self._late_ms = 0.0
        self._sending: set[asyncio.Task[None]] = set()
        self._reset()

    async def run(self) -> None:
        """Send the load, and print the results of every second."""
        plan = self._plan
        self._begun = time.perf_counter() + plan.warmup_s
        self._second = -ceil(plan.warmup_s) - 1
        sending = asyncio.create_task(self._send_when_due() if plan.is_open else self._keep_in_flight())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sending.cancel)
        ticker = asyncio.create_task(self._tick())
        with suppress(asyncio.CancelledError):
            await sending
        if self._sending:
            await asyncio.wait(self._sending, timeout=DRAIN_S)
        ticker.cancel()
        self._errors["not answered"] += len(self._sending)
        self._print()

    def acknowledged(self) -> str:
        """The ids of all acknowledged sends, one per line."""
        return "".join(f"{message_id}\n" for message_id in self._acknowledged)

    async def _keep_in_flight(self) -> None:
        """Closed model: keep a fixed number of sends in flight."""
        slots = asyncio.Semaphore(self._job.in_flight)
        end = self._begun + self._plan.seconds
        while True:
            await slots.acquire()
            if (now := time.perf_counter()) >= end:
                return
            self._start(now).add_done_callback(lambda _: slots.release())

    async def _send_when_due(self) -> None:
        """Open model: start each send at its due time, regardless of earlier replies."""
        stages = self._plan.stages
        if self._plan.warmup_s:
            stages = (Stage(self._plan.warmup_s, stages[0].rate), *stages)
        first = self._begun - self._plan.warmup_s
        random, share = Random(f"{self._plan.seed}/{self._job.number}"), 1 / self._plan.generators
        for number, offset in enumerate(arrivals(stages, share=share, random=random)):
            due = first + offset
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            elif number % _SENDS_PER_TURN == 0:
                await asyncio.sleep(0)  # receive replies in time even if the sends are behind schedule
            self._start(due)

    def _start(self, due: float) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._send(due))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def _send(self, due: float) -> None:
        raw = next(self._sources).next()
        self._late_ms = max(self._late_ms, (time.perf_counter() - due) * 1000)
        reply = await self._transport.submit(raw)
        latency_us = int((time.perf_counter() - due) * 1_000_000)
        if reply.kind == ACCEPTED:
            self._accepted += 1
            self._acknowledged.append(item_id(raw))
            self._latencies.record(min(max(latency_us, 1), LATENCY_US_MAX))
        else:
            self._errors[reply.kind] += 1
            if reply.kind == RATE_LIMITED:
                self._limit = reply.text

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(max(self._begun + self._second + 1 - time.perf_counter(), 0))
            if self._second >= -ceil(self._plan.warmup_s):
                self._print()
            self._second += 1
            self._reset()

    def _reset(self) -> None:
        """Start the counts of the next second."""
        self._accepted = 0
        self._errors: Counter[str] = Counter()
        self._latencies = Histogram()
        self._late_ms = 0.0
        self._limit = ""

    def _print(self) -> None:
        errors = {kind: count for kind, count in self._errors.items() if count}
        second = Second(self._second, self._accepted, errors, self._latencies.counts, self._late_ms, self._limit)
        sys.stdout.buffer.write(msgspec.json.encode(second) + b"\n")
        sys.stdout.buffer.flush()


async def _generate(job: Job) -> str:
    transport = await open_transport(job.address)
    load = _Load(job, transport)
    await load.run()
    await transport.close()
    return load.acknowledged()


def work() -> None:
    """Entry point of the process. It reads its job as JSON from standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    Path(job.acknowledged).write_text(uvloop.run(_generate(job)))
