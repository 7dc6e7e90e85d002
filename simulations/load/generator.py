"""The load: items signed, sent and timed in a process that does nothing else."""

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
from simulations.load.connect import Line, open_line
from simulations.load.people import Talk, Talker
from simulations.load.plan import Plan, Stage
from simulations.load.socket_transport import ACCEPTED
from simulations.load.time_series import Second
from simulations.report.histogram import LATENCY_US_MAX, new_histogram

DRAIN_S = 60.0
"""How long answers are waited for after the last send."""
_SENDS_PER_TURN = 32


class Job(msgspec.Struct):
    """One generator's part of a run."""

    number: int
    address: str
    """The node's."""
    acknowledged: str
    """File that the ids of acknowledged sends go to."""
    plan: Plan
    talks: list[Talk]
    in_flight: int


class _Load:
    def __init__(self, job: Job, line: Line) -> None:
        self._plan = job.plan
        self._job = job
        self._line = line
        talkers = [Talker(talk, job.plan.content_bytes, number) for number, talk in enumerate(job.talks)]
        self._talkers = cycle(talkers)
        self._acknowledged: list[str] = []
        self._begun = 0.0
        self._second = -1
        self._late_ms = 0.0
        self._sending: set[asyncio.Task[None]] = set()
        self._fresh()

    async def run(self) -> None:
        """Make the load, and say every second what came of it."""
        plan = self._plan
        self._begun = time.perf_counter() + plan.warmup_s
        self._second = -ceil(plan.warmup_s) - 1
        making = asyncio.create_task(self._arrive() if plan.is_open else self._repeat())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, making.cancel)
        ticker = asyncio.create_task(self._tick())
        with suppress(asyncio.CancelledError):
            await making
        if self._sending:
            await asyncio.wait(self._sending, timeout=DRAIN_S)
        ticker.cancel()
        self._errors["not answered"] += len(self._sending)
        self._say()

    def acknowledged(self) -> str:
        """The ids of every send that was acknowledged, a line each."""
        return "".join(f"{one}\n" for one in self._acknowledged)

    async def _repeat(self) -> None:
        """Keep so many in flight: the next leaves when one is answered."""
        slots = asyncio.Semaphore(self._job.in_flight)
        end = self._begun + self._plan.seconds
        while True:
            await slots.acquire()
            if (now := time.perf_counter()) >= end:
                return
            self._start(now).add_done_callback(lambda _: slots.release())

    async def _arrive(self) -> None:
        """Send what is due, whether or not what was sent before is answered."""
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
                await asyncio.sleep(0)  # answers are timed also when sends are behind
            self._start(due)

    def _start(self, due: float) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._send(due))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def _send(self, due: float) -> None:
        raw = next(self._talkers).next()
        self._late_ms = max(self._late_ms, (time.perf_counter() - due) * 1000)
        answered = await self._line.submit(raw)
        took_us = int((time.perf_counter() - due) * 1_000_000)
        if answered.kind == ACCEPTED:
            self._accepted += 1
            self._acknowledged.append(item_id(raw))
            self._latencies.record_value(min(max(took_us, 1), LATENCY_US_MAX))
        else:
            self._errors[answered.kind] += 1

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(max(self._begun + self._second + 1 - time.perf_counter(), 0))
            if self._second >= -ceil(self._plan.warmup_s):
                self._say()
            self._second += 1
            self._fresh()

    def _fresh(self) -> None:
        """Begin to count anew."""
        self._accepted = 0
        self._errors: Counter[str] = Counter()
        self._latencies = new_histogram()
        self._late_ms = 0.0

    def _say(self) -> None:
        errors = {kind: count for kind, count in self._errors.items() if count}
        second = Second(self._second, self._accepted, errors, self._latencies.encode().decode(), self._late_ms)
        sys.stdout.buffer.write(msgspec.json.encode(second) + b"\n")
        sys.stdout.buffer.flush()


async def _generate(job: Job) -> str:
    line = await open_line(job.address)
    load = _Load(job, line)
    await load.run()
    await line.close()
    return load.acknowledged()


def work() -> None:
    """What the process does: the job on its standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    Path(job.acknowledged).write_text(uvloop.run(_generate(job)))
