"""The node under test, in a process of its own: takes items from a socket until its standard input ends."""

import asyncio
import sys
from pathlib import Path

import msgspec
import uvloop

from actors import ItemRefused, Node, Overloaded, Result
from actors.runtime.tuning import dedicate_process
from eventstore import EventStoreError
from simulations.load.socket_transport import (
    ACCEPTED,
    FAILED,
    ITEM_REFUSED,
    OVERLOADED,
    REFUSED,
    Answered,
    Asked,
    Frames,
)


class Ready(msgspec.Struct):
    """What the host says when items may come."""

    registry: str


class Closed(msgspec.Struct):
    """What it says at its end."""

    events: int
    """Of the log."""


class _Guest:
    """One connection."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.frames = Frames(Asked, self._take, lambda: None)

    def _take(self, asked: Asked) -> None:
        try:
            future = self._node.submit(asked.raw)
        except Exception as error:
            self.frames.write(_failed(asked, error))
            return
        future.add_done_callback(lambda done: self.frames.write(_answered(asked, done)))


def _answered(asked: Asked, done: "asyncio.Future[Result]") -> Answered:
    if done.cancelled():
        return Answered(asked.number, FAILED, "the node was closed")
    error = done.exception()
    if error is not None:
        return _failed(asked, error)
    result = done.result()
    if result.error is not None:
        return Answered(asked.number, REFUSED, result.error)
    return Answered(asked.number, ACCEPTED, (result.output or "") if asked.answer else "")


def _failed(asked: Asked, error: BaseException) -> Answered:
    kinds: dict[type[BaseException], str] = {Overloaded: OVERLOADED, ItemRefused: ITEM_REFUSED}
    return Answered(asked.number, kinds.get(type(error), FAILED), str(error))


async def _host(log: Path, socket: str) -> None:
    async with Node.open(log, new=True) as node:
        dedicate_process()
        server = await asyncio.get_running_loop().create_unix_server(lambda: _Guest(node).frames, socket)
        _say(Ready(node.registry))
        await asyncio.to_thread(sys.stdin.buffer.read)  # ends when whoever started this lets go, or is gone
        server.close()
        await node.drain()
    _say(Closed(node.sequence))


def _say(what: Ready | Closed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def work() -> None:
    """What the process does: host the node of the log and the socket that its arguments name."""
    log, socket = sys.argv[1:]
    try:
        uvloop.run(_host(Path(log), socket))
    except EventStoreError as error:
        sys.exit(str(error))
