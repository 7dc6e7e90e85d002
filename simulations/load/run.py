"""One run: the node started, people set up, load made, everything counted and the node closed."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.runtime.child_process import command_of
from simulations.load import generator, host
from simulations.load.connect import open_line
from simulations.load.people import Talk, set_up
from simulations.load.plan import Plan
from simulations.load.time_series import Second, Summary
from simulations.load.usage import Sample, Usage

LINE_BYTES_MAX = 1 << 22


class LoadFailed(Exception):
    """A process of the load test failed; says which, and what it said."""


class Run(msgspec.Struct):
    """What a run gave, before the log has confirmed it."""

    plan: Plan
    summary: Summary
    samples: list[Sample]
    interrupted: bool = False


class Bench:
    """A node under test with its people, for one run or several after one another.

    Attributes:
        events: events of its log when it was closed.
        talks: its people's sessions.
        acknowledged: files with the ids of what was acknowledged, of every run.
    """

    def __init__(
        self, folder: Path, address: str, talks: list[Talk], sample: Callable[[], Awaitable[Sample | None]]
    ) -> None:
        """Args:
        folder: for what lasts as long as the test.
        address: the node's: a socket's path or a URL.
        talks: who talks.
        sample: what the node's process is at the moment.
        """
        self._folder = folder
        self._address = address
        self.talks = talks
        self._sample_node = sample
        self._runs = 0
        self.events = 0
        self.acknowledged: list[Path] = []

    async def run(self, plan: Plan, watch: Callable[[Run], Any]) -> Run:
        """Make the load of a plan.

        Args:
            plan: the load; its people are those that are there.
            watch: called every second with what there is so far.

        Raises:
            LoadFailed: a generator failed.
        """
        self._runs += 1
        files = [self._folder / f"acknowledged-{self._runs}-{number}" for number in range(plan.generators)]
        self.acknowledged += files
        run = Run(plan, Summary(), [])
        generators = [await self._generator(plan, number, file) for number, file in enumerate(files)]
        sampling = asyncio.create_task(self._sample(run, watch))
        try:
            await asyncio.gather(*(_collect(process, run.summary) for process in generators))
        except asyncio.CancelledError:  # Ctrl-C: what was sent so far is counted, too
            run.interrupted = True
            for process in generators:
                process.terminate()
            await asyncio.gather(*(_collect(process, run.summary) for process in generators))
        finally:
            sampling.cancel()
            await _end(generators)
        return run

    async def _generator(self, plan: Plan, number: int, acknowledged: Path) -> Process:
        in_flight = plan.in_flight // plan.generators + (number < plan.in_flight % plan.generators)
        talks = self.talks[number :: plan.generators]
        job = generator.Job(number, self._address, str(acknowledged), plan, talks, in_flight)
        process = await _start(generator.__name__)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(job))
        process.stdin.close()
        return process

    async def _sample(self, run: Run, watch: Callable[[Run], Any]) -> None:
        await self._sample_node()
        while True:
            await asyncio.sleep(1)
            if (sample := await self._sample_node()) is not None:
                run.samples.append(sample)
            watch(run)


@asynccontextmanager
async def bench(log: Path, folder: Path, plan: Plan) -> AsyncIterator[Bench]:
    """Start a node on a new log, and bring a plan's people onto it. The node is closed when the block ends.

    Args:
        log: its file.
        folder: for what lasts as long as the test: the node's socket, lists of what was acknowledged.
        plan: who talks.

    Raises:
        LoadFailed: the node could not be started, or did not end well.
        SetUpFailed: it refused somebody.
    """
    socket = str(folder / "node")
    node = await _start(host.__name__, str(log), socket)
    try:
        ready = msgspec.json.decode(await _line(node), type=host.Ready)
        line = await open_line(socket)
        talks = await set_up(line, ready.registry, plan)
        await line.close()
        under_test = Bench(folder, socket, talks, Usage(node.pid).sample)
        yield under_test
        assert node.stdin is not None
        node.stdin.close()
        under_test.events = msgspec.json.decode(await _line(node), type=host.Closed).events
        if await node.wait():
            raise LoadFailed(await _said(node))
    finally:
        await _end([node])


async def _start(module: str, *arguments: str) -> Process:
    command, environment = command_of(module, *arguments)
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        limit=LINE_BYTES_MAX,
        start_new_session=True,  # Ctrl-C is for whoever started it, who ends it in order
    )


async def _collect(process: Process, summary: Summary) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        summary.add(msgspec.json.decode(line, type=Second))
    if await process.wait():
        raise LoadFailed(await _said(process))


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise LoadFailed(await _said(process))
    return line


async def _said(process: Process) -> str:
    assert process.stderr is not None
    said = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    return said[-1] if said else "a process of the load test ended without a word"


async def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()
