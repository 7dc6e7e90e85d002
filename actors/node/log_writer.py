"""How a node appends to its log: by itself while it has little to write, through a child process when it is busy.

SQLite lets go of the interpreter lock while it writes, but what a row is made of has to be handed to it value by value.
For that the writer's thread and the event loop would fight over the lock, and neither core would be busy.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pykka

from actors.node.writer_thread import Append, Writer
from actors.runtime.child_process import Child, cores, hear, say, say_ready
from actors.runtime.logs import get_logger
from eventstore import Assignment, EventStoreError, Head, LogFailed, SqliteLog
from eventstore.sqlite.writer_lock import lock_as_delegate

BATCH_ROWS_MIN = 48
"""A node that commits so many events at a time is busy …"""
CROWD = 2048
"""… and after so many of them a child is worth its start. From then on it writes everything: a connection forgets the
pages that it knows when another one writes."""
_PART_ROWS = 256
"""Rows handed over at a time: the child reads them while the next are encoded."""

Done = Callable[[EventStoreError | None], object]
_Part = tuple[int, list[Assignment]]
"""Rows of a batch, and how many of it come behind them."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Part).decode

logger = get_logger()


class Appender:
    """Takes a log's batches, one at a time.

    Attributes:
        child: writes them; None as long as the writer does.

    Args:
        log: open for writing; nobody else appends to it.
        writer: has it.
        may_have_child: whether a child process may do it.
    """

    def __init__(self, log: SqliteLog, writer: pykka.ActorRef[Writer], *, may_have_child: bool = True) -> None:
        self.child: Child | None = None
        self._log, self._writer = log, writer
        self._loop = asyncio.get_running_loop()
        self._crowded = 0
        self._may_have_child = may_have_child and cores() > 1
        self._starting: asyncio.Task[None] | None = None
        self._losing: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def append(self, batch: Sequence[Assignment], *, expected: int, done: Done) -> None:
        """Make a batch durable.

        Args:
            batch: see ``EventLog.append``.
            expected: see there.
            done: called on the event loop, with what went wrong if something did.
        """
        self._idle.clear()
        append = Append(batch, expected, partial(self._done, done))
        if self.child is not None:
            self._hand_over(self.child, append)
            return
        if len(batch) >= BATCH_ROWS_MIN:
            self._crowded += len(batch)
        if self._crowded >= CROWD and self._may_have_child and self._starting is None:
            self._starting = self._loop.create_task(self._start())  # once: one that is gone gets no successor
        self._write(append)

    async def close(self) -> None:
        """Wait for the last batch, and end the child. No other batch may come."""
        await self._idle.wait()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        child, self.child = self.child, None
        if child is not None:
            await child.end()

    async def _start(self) -> None:
        try:
            self.child = await Child.start(__name__, str(self._log.path))
        except OSError as error:
            self._warn(str(error))

    def _write(self, append: Append) -> None:
        """Append by the writer."""

        def done(error: EventStoreError | None) -> None:
            self._loop.call_soon_threadsafe(append.done, error)

        self._writer.tell(append._replace(done=done))

    def _done(self, done: Done, error: EventStoreError | None) -> None:
        self._idle.set()
        done(error)

    def _hand_over(self, child: Child, append: Append) -> None:
        """Append by the child."""
        batch = append.batch
        last = (len(batch) - 1) // _PART_ROWS * _PART_ROWS
        for start in range(0, last, _PART_ROWS):
            stop = start + _PART_ROWS
            child.tell(_encode((len(batch) - stop, batch[start:stop])))
        child.ask(_encode((0, batch[last:])), partial(self._answered, append))

    def _answered(self, append: Append, said: bytes | None) -> None:
        if said is None:
            self._losing = self._loop.create_task(self._lose(append))
        else:
            append.done(LogFailed(said.decode()) if said else None)

    async def _lose(self, append: Append) -> None:
        """Go on without a child. It has ended before it is seen what it wrote."""
        child, self.child = self.child, None
        assert child is not None
        await child.kill()
        self._warn("it ended")
        try:
            written = await asyncio.to_thread(self._log.head) == Head.at(append.batch[-1])
        except Exception as error:  # whatever it is, nobody may be left waiting for it
            append.done(LogFailed(f"the log could not be read ({type(error).__name__}: {error})"))
            return
        if written:  # it went after it had written it
            append.done(None)
        else:
            self._write(append)

    def _warn(self, error: str) -> None:
        logger.warning("the node writes its log by itself: the child process that did is gone", error=error)


def work() -> None:
    """What the child does, until whoever started it ends, with that: batches, whole ones only."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # what means the node; its last batch may be still to come
        signal.signal(ignored, signal.SIG_IGN)
    from actors.runtime.tuning import dedicate_process

    path = Path(sys.argv[1])
    lock_as_delegate(path)
    log = SqliteLog.open_as_delegate(path)
    dedicate_process()
    say_ready()
    batch: list[Assignment] = []
    while (part := hear()) is not None:
        left, rows = _decode(part)
        batch += rows
        if not left:
            say(_append(log, batch).encode())
            log.checkpoint_wal()
            batch = []


def _append(log: SqliteLog, batch: Sequence[Assignment]) -> str:
    """Why a batch was not written; empty if it was."""
    try:
        log.append(batch, expected=batch[0].sequence - 1)
    except EventStoreError as error:
        return str(error)
    except Exception as error:  # whatever it is, the node has to hear of it
        return f"the batch could not be written ({type(error).__name__}: {error})"
    return ""
