"""The process of the node under test: it serves a local socket until its standard input ends."""

import asyncio
import sys
from pathlib import Path

import msgspec
import uvloop

from actors import ItemRefused, Node, Overloaded, Result
from actors.runtime.tuning import dedicate_process
from eventstore import EventStoreError
from simulations.load.socket_transport import Frames, Request
from simulations.load.transport import ACCEPTED, FAILED, ITEM_REFUSED, OVERLOADED, REFUSED, Reply


class Ready(msgspec.Struct):
    """The first line of the process's output: the node accepts items."""

    registry: str


class Closed(msgspec.Struct):
    """The last line of the process's output."""

    events: int
    """Number of events in the log."""


class _Connection:
    """One client's connection."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.frames = Frames(Request, self._receive, lambda: None)

    def _receive(self, request: Request) -> None:
        try:
            future = self._node.submit(request.raw)
        except Exception as error:
            self.frames.write(_failed(request, error))
            return
        future.add_done_callback(lambda done: self.frames.write(_reply(request, done)))


def _reply(request: Request, done: "asyncio.Future[Result]") -> Reply:
    if done.cancelled():
        return Reply(request.number, FAILED, "the node was closed")
    error = done.exception()
    if error is not None:
        return _failed(request, error)
    result = done.result()
    if result.error is not None:
        return Reply(request.number, REFUSED, result.error)
    return Reply(request.number, ACCEPTED, (result.output or "") if request.answer else "")


def _failed(request: Request, error: BaseException) -> Reply:
    kinds: dict[type[BaseException], str] = {Overloaded: OVERLOADED, ItemRefused: ITEM_REFUSED}
    return Reply(request.number, kinds.get(type(error), FAILED), str(error))


async def _host(log: Path, socket: str) -> None:
    async with Node.open(log, new=True) as node:
        dedicate_process()
        server = await asyncio.get_running_loop().create_unix_server(lambda: _Connection(node).frames, socket)
        _print(Ready(node.registry))
        await asyncio.to_thread(sys.stdin.buffer.read)  # ends when the parent closes it or exits
        server.close()
        await node.drain()
    _print(Closed(node.sequence))


def _print(report: Ready | Closed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def work() -> None:
    """Entry point of the process. Its arguments are the paths of the log and of the socket."""
    log, socket = sys.argv[1:]
    try:
        uvloop.run(_host(Path(log), socket))
    except EventStoreError as error:
        sys.exit(str(error))
