"""Child processes that run a part of this package: work that would keep this interpreter from doing its own."""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Self

_LENGTH_BYTES = 8
_READY = b"ready"
_END_S = 10.0

Answered = Callable[[bytes | None], object]
"""Takes what a child answers; None if it is gone."""


def cores() -> int:
    """Cores of this machine: there is no use in more that keep an interpreter busy."""
    return os.cpu_count() or 1


def command_of(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """What runs the function ``work`` of a module in another Python.

    Args:
        module: its name.
        arguments: what it finds in ``sys.argv[1:]``.

    Returns:
        The command, and the environment in which it imports what can be imported here.
    """
    command = [sys.executable, "-c", f"import {module} as it; it.work()", *arguments]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class Child(asyncio.Protocol):
    """A child process that is asked, and answers in the order in which it was asked.

    What it says is handed over in the same turn of the event loop. A stream would hand it to a task, one or two turns
    later, and a turn of a loop that has enough to do takes milliseconds.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._asked: deque[Answered] = deque()
        self._said = bytearray()
        self._gone = False
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Self:
        """Run the function ``work`` of a module, and wait until that calls ``say_ready``.

        Raises:
            OSError: it cannot be started, or it ended before it was ready.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                child = cls(_run(module, arguments, theirs.fileno()))
        except OSError:
            ours.close()
            raise
        ready: asyncio.Future[bytes | None] = loop.create_future()
        child._asked.append(partial(_settle, ready))
        try:
            await loop.create_connection(lambda: child, sock=ours)
            if await ready != _READY:
                raise OSError("it ended before it was ready")
        except BaseException:
            await child.kill()
            raise
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, what: bytes) -> None:
        """Say something that it does not answer."""
        if self._transport is not None and not self._gone:
            self._transport.write(_framed(what))

    def ask(self, what: bytes, answered: Answered) -> None:
        """Ask something."""
        if self._gone:
            asyncio.get_running_loop().call_soon(answered, None)
            return
        self._asked.append(answered)
        self.tell(what)

    def answer(self, what: bytes) -> "asyncio.Future[bytes | None]":
        """Ask something, for who may wait another turn for the answer: None if it is gone."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.ask(what, partial(_settle, answer))
        return answer

    async def end(self) -> None:
        """Let it end, which it does when it has done what it was told."""
        if self._transport is not None:
            self._transport.close()
        try:
            await asyncio.to_thread(self._process.wait, _END_S)
        except subprocess.TimeoutExpired:
            await self.kill()

    async def kill(self) -> None:
        """End it. It is gone when this returns."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        said = self._said
        said += data
        while len(said) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(said[:_LENGTH_BYTES])
            if len(said) < end:
                return
            answer = bytes(said[_LENGTH_BYTES:end])
            del said[:end]
            self._asked.popleft()(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._gone = True
        while self._asked:
            self._asked.popleft()(None)


def say_ready() -> None:
    """Tell whoever started this process that it can be asked. From then on it interrupts nobody: whoever asks asks more
    in a moment, and all of it is done at once.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    say(_READY)


def say(what: bytes) -> None:
    """Answer whoever started this process."""
    sys.stdout.buffer.write(_framed(what))
    sys.stdout.buffer.flush()


def hear() -> bytes | None:
    """What whoever started this process says next; None if that has ended, also while it spoke."""
    length = sys.stdin.buffer.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    what = sys.stdin.buffer.read(int.from_bytes(length))
    return what if len(what) == int.from_bytes(length) else None


def _settle(answer: "asyncio.Future[bytes | None]", said: bytes | None) -> None:
    if not answer.done():  # whoever waited may have gone away
        answer.set_result(said)


def _framed(what: bytes) -> bytes:
    return len(what).to_bytes(_LENGTH_BYTES) + what


def _run(module: str, arguments: tuple[str, ...], pipe: int) -> subprocess.Popen[bytes]:
    command, environment = command_of(module, *arguments)
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)
