"""Runs a load test: starts the node, registers its people, runs the generators and collects their results."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.runtime.child_process import command_of
from simulations.load import generator, host
from simulations.load.connect import open_transport
from simulations.load.people import Conversation, set_up
from simulations.load.plan import Plan
from simulations.load.time_series import Second, Summary
from simulations.load.usage import Sample, Usage

LINE_BYTES_MAX = 1 << 22


class LoadFailed(Exception):
    """A process of the load test failed. The text is the last line of its error output."""


class Run(msgspec.Struct):
    """The results of a run, before the log has confirmed them."""

    plan: Plan
    summary: Summary
    samples: list[Sample]
    interrupted: bool = False


class Bench:
    """A node under test with its people, for one or more runs in sequence.

    Attributes:
        events: number of events in its log, once it is closed.
        conversations: the sessions of its people.
        acknowledged: files with the ids of acknowledged sends, of all runs.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        conversations: list[Conversation],
        sample: Callable[[], Awaitable[Sample | None]],
    ) -> None:
        """Args:
        folder: a temporary folder of the test.
        address: of the node: a socket's path or a URL.
        conversations: the sessions to send messages in.
        sample: measures the node's process; None if there is no measurement.
        """
        self._folder = folder
        self._address = address
        self.conversations = conversations
        self._sample_node = sample
        self._runs = 0
        self.events = 0
        self.acknowledged: list[Path] = []

    async def run(self, plan: Plan, watch: Callable[[Run], Any]) -> Run:
        """Run the load of a plan.

        Args:
            plan: the load. Its people must be registered already.
            watch: called every second with the results so far.

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
        except asyncio.CancelledError:  # Ctrl-C: the sends so far count, too
            run.interrupted = True
            for process in generators:
                process.terminate()
            await asyncio.gather(*(_collect(process, run.summary) for process in generators))
        finally:
            sampling.cancel()
            await _kill(generators)
        return run

    async def _generator(self, plan: Plan, number: int, acknowledged: Path) -> Process:
        in_flight = plan.in_flight // plan.generators + (number < plan.in_flight % plan.generators)
        conversations = self.conversations[number :: plan.generators]
        job = generator.Job(number, self._address, str(acknowledged), plan, conversations, in_flight)
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
    """Start a node on a new log, and register a plan's people. The node is closed when the block ends.

    Args:
        log: path of the log.
        folder: a temporary folder for the node's socket and the lists of acknowledged sends.
        plan: how many people and sessions.

    Raises:
        LoadFailed: the node did not start, or failed.
        SetUpFailed: the node refused a registration, a session or a key.
    """
    socket = str(folder / "node")
    node = await _start(host.__name__, str(log), socket)
    try:
        ready = msgspec.json.decode(await _line(node), type=host.Ready)
        transport = await open_transport(socket)
        conversations = await set_up(transport, ready.registry, plan)
        await transport.close()
        under_test = Bench(folder, socket, conversations, Usage(node.pid).sample)
        yield under_test
        assert node.stdin is not None
        node.stdin.close()
        under_test.events = msgspec.json.decode(await _line(node), type=host.Closed).events
        if await node.wait():
            raise LoadFailed(await _last_error_line(node))
    finally:
        await _kill([node])


async def _start(module: str, *arguments: str) -> Process:
    command, environment = command_of(module, *arguments)
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        limit=LINE_BYTES_MAX,
        start_new_session=True,  # Ctrl-C must reach only this process, which stops the others in order
    )


async def _collect(process: Process, summary: Summary) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        summary.add(msgspec.json.decode(line, type=Second))
    if await process.wait():
        raise LoadFailed(await _last_error_line(process))


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise LoadFailed(await _last_error_line(process))
    return line


async def _last_error_line(process: Process) -> str:
    assert process.stderr is not None
    lines = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "a process of the load test exited without an error message"


async def _kill(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()
