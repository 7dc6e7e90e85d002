"""Child processes for work that would block this interpreter: they serve requests over a socket."""

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

ReplyCallback = Callable[[bytes | None], object]
"""Called with a child's reply; with None if the child ended first."""


def cores() -> int:
    """Number of cores of this machine: the useful maximum of busy interpreters."""
    return os.cpu_count() or 1


def command_of(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs the function ``work`` of a module in another Python process.

    Args:
        module: full name of the module.
        arguments: ``sys.argv[1:]`` of the new process.

    Returns:
        The command, and an environment with the import path of this process.
    """
    command = [sys.executable, "-c", f"import {module} as module; module.work()", *arguments]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class Child(asyncio.Protocol):
    """A child process that replies to requests in their order.

    A message is its length (8 bytes, big-endian) and its bytes. A reply reaches its callback in the same turn of the
    event loop. An asyncio stream would pass it to a task one or two turns later, and a turn of a busy loop takes
    milliseconds.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._callbacks: deque[ReplyCallback] = deque()
        self._buffer = bytearray()
        self._closed = False
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Self:
        """Run the function ``work`` of a module in a child, and wait until it calls ``send_ready``.

        Raises:
            OSError: the child cannot be started, or it ended before it was ready.
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
        child._callbacks.append(partial(_set_result, ready))
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
        """Operating system id of the child."""
        return self._process.pid

    def tell(self, request: bytes) -> None:
        """Send a request that gets no reply."""
        if self._transport is not None and not self._closed:
            self._transport.write(_frame(request))

    def ask(self, request: bytes, callback: ReplyCallback) -> None:
        """Send a request, and call back with its reply."""
        if self._closed:
            asyncio.get_running_loop().call_soon(callback, None)
            return
        self._callbacks.append(callback)
        self.tell(request)

    def ask_future(self, request: bytes) -> "asyncio.Future[bytes | None]":
        """Send a request; the future's result is the reply, one turn of the loop later than with ``ask``."""
        reply: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.ask(request, partial(_set_result, reply))
        return reply

    async def end(self) -> None:
        """Close the connection and wait for the child, which ends after its pending requests. Kill it after 10 s."""
        if self._transport is not None:
            self._transport.close()
        try:
            await asyncio.to_thread(self._process.wait, _END_S)
        except subprocess.TimeoutExpired:
            await self.kill()

    async def kill(self) -> None:
        """Kill the child, and wait until it has ended."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport (callback of ``asyncio.Protocol``)."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass every complete reply to its callback (callback of ``asyncio.Protocol``)."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(buffer[:_LENGTH_BYTES])
            if len(buffer) < end:
                return
            reply = bytes(buffer[_LENGTH_BYTES:end])
            del buffer[:end]
            self._callbacks.popleft()(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail every pending request (callback of ``asyncio.Protocol``)."""
        self._closed = True
        while self._callbacks:
            self._callbacks.popleft()(None)


def send_ready() -> None:
    """Tell the parent process, from the child, that the child takes requests.

    On Linux the child switches to batch scheduling, so it does not preempt its parent: the parent soon sends more
    requests, and the child handles them together. Without it the p99 at half the maximum rate is 1.1 times as
    high (median of 28 undisturbed pairs, 95 % interval 1.04 to 1.15).
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    send_reply(_READY)


def send_reply(reply: bytes) -> None:
    """Send a reply to the parent process, from the child."""
    sys.stdout.buffer.write(_frame(reply))
    sys.stdout.buffer.flush()


def receive_request() -> bytes | None:
    """The next request of the parent process; None if the parent ended, also in the middle of a request."""
    length = sys.stdin.buffer.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    request = sys.stdin.buffer.read(int.from_bytes(length))
    return request if len(request) == int.from_bytes(length) else None


def _set_result(future: "asyncio.Future[bytes | None]", reply: bytes | None) -> None:
    if not future.done():  # the waiting task may have been cancelled
        future.set_result(reply)


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(_LENGTH_BYTES) + message


def _run(module: str, arguments: tuple[str, ...], pipe: int) -> subprocess.Popen[bytes]:
    command, environment = command_of(module, *arguments)
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)
