"""Stage 6, the log writer: append batches to the commit log, in a thread or, on a busy node, in a child process.

SQLite releases the interpreter lock while it writes, but each row's values are bound under the lock. The thread and the
event loop would compete for it, and both cores would idle part of the time. Without the child process, throughput
falls to 79 %.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec
import pykka

from actors.node.limits import Limits
from actors.runtime.child_process import Child, cores
from actors.runtime.logs import get_logger
from eventstore import Assignment, EventStoreError, Head, LogFailed

DELEGATE_MODULE = "actors.node.log_writer_child"
_PART_ROWS = 256
"""Rows sent to the child at a time: it decodes them while the next ones are encoded."""

OnWritten = Callable[[EventStoreError | None], object]
_encode = msgspec.msgpack.Encoder().encode

logger = get_logger()


class WritableLog(Protocol):
    """The part of a ``CommitLog`` that the log writer uses."""

    def append(self, batch: Sequence[Assignment], *, expected: int, epoch: int) -> Head:
        """See ``CommitLog.append``."""

    def head(self) -> Head:
        """See ``CommitLog.head``."""


class CheckpointLog(Protocol):
    """The part of ``Evidence`` that the log writer uses."""

    def store_checkpoint(self, sequence: int, note: str) -> None:
        """See ``Evidence.store_checkpoint``."""


class _Write(NamedTuple):
    """A batch to append. ``on_written`` receives the error, or None."""

    batch: Sequence[Assignment]
    on_written: OnWritten


class _Store(NamedTuple):
    """A signed note to store in a log. ``on_stored`` receives the error, or None."""

    log: CheckpointLog
    sequence: int
    note: str
    on_stored: OnWritten


class LogWriter:
    """Appends one batch at a time.

    Args:
        log: the commit log, open for writing. Nothing else appends to it.
        epoch: of the lease under which it appends.
        delegate_location: where a child process opens the same log. None forbids the child process.
        limits: of the node.

    Attributes:
        child: the child process that writes; None as long as the thread does.
    """

    def __init__(self, log: WritableLog, *, epoch: int, delegate_location: str | None, limits: Limits) -> None:
        self.child: Child | None = None
        self._log, self._epoch = log, epoch
        self._delegate_location = delegate_location if cores() > 1 else None
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._thread = _Writer.start(log, epoch)
        self._rows_in_large_batches = 0
        self._starting: asyncio.Task[None] | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def write(self, batch: Sequence[Assignment], *, on_written: OnWritten) -> None:
        """Make a batch durable, directly after the one before.

        Args:
            batch: contiguous assignments.
            on_written: called on the event loop with the error, or None.
        """
        self._idle.clear()
        write = _Write(batch, partial(self._finish, on_written))
        if self.child is not None:
            self._write_in_child(self.child, write)
            return
        if len(batch) >= self._limits.delegate_batch_rows_min:
            self._rows_in_large_batches += len(batch)
        is_busy = self._rows_in_large_batches >= self._limits.delegate_rows_min
        if is_busy and self._delegate_location is not None and self._starting is None:
            # This happens once: a lost child is not replaced.
            self._starting = self._loop.create_task(self._start(self._delegate_location))
        self._write_in_thread(write)

    async def store_checkpoint(self, sequence: int, note: str, *, log: CheckpointLog) -> None:
        """Store a signed note between two batches, where the log is written: two writers would wait for each other.

        Args:
            sequence: number of events that the note covers.
            note: a checkpoint.
            log: the log, open for writing. It is not used while the child process writes.

        Raises:
            LogFailed: the note could not be stored. The log can still be written.
        """
        stored: asyncio.Future[EventStoreError | None] = self._loop.create_future()
        resolve = partial(_resolve, stored)
        if self.child is not None:
            self.child.ask(_encode((0, sequence, (), note)), lambda reply: resolve(_error_of(reply)))
        else:
            on_stored = partial(self._loop.call_soon_threadsafe, resolve)
            self._thread.tell(_Store(log, sequence, note, on_stored))
        if (error := await stored) is not None:
            raise error

    async def started(self) -> bool:
        """Wait until a child process that is being started is running, or has failed to start.

        Returns:
            Whether a start was attempted.
        """
        if self._starting is not None:
            await asyncio.wait([self._starting])
        return self._starting is not None

    async def close(self) -> None:
        """Wait for the last batch, then end the child process and the thread. No other batch may follow."""
        await self._idle.wait()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        child, self.child = self.child, None
        if child is not None:
            await child.end()
        await asyncio.to_thread(self._thread.stop)

    async def _start(self, location: str) -> None:
        try:
            self.child = await Child.start(DELEGATE_MODULE, location)
        except OSError as error:
            self._warn(str(error))

    def _finish(self, on_written: OnWritten, error: EventStoreError | None) -> None:
        self._idle.set()
        on_written(error)

    def _write_in_thread(self, write: _Write) -> None:
        def written(error: EventStoreError | None) -> None:
            self._loop.call_soon_threadsafe(write.on_written, error)

        self._thread.tell(_Write(write.batch, written))

    def _write_in_child(self, child: Child, write: _Write) -> None:
        batch = write.batch
        last = (len(batch) - 1) // _PART_ROWS * _PART_ROWS
        for start in range(0, last, _PART_ROWS):
            stop = start + _PART_ROWS
            child.tell(_encode((len(batch) - stop, self._epoch, batch[start:stop], "")))
        child.ask(_encode((0, self._epoch, batch[last:], "")), partial(self._child_replied, write))

    def _child_replied(self, write: _Write, reply: bytes | None) -> None:
        if reply is None:
            self._replacing = self._loop.create_task(self._replace_child(write))
        else:
            write.on_written(_error_of(reply))

    async def _replace_child(self, write: _Write) -> None:
        """Continue with the thread. The child has ended before this looks at what it wrote."""
        child, self.child = self.child, None
        assert child is not None
        await child.kill()
        self._warn("it ended")
        try:
            is_written = await asyncio.to_thread(self._log.head) == Head.at(write.batch[-1])
        except Exception as error:  # anything may fail here, and no sender may wait forever
            write.on_written(LogFailed(f"the log could not be read ({type(error).__name__}: {error})"))
            return
        if is_written:  # the child ended between its commit and its reply
            write.on_written(None)
        else:
            self._write_in_thread(write)

    def _warn(self, error: str) -> None:
        logger.warning("the child process that writes the log is gone: a thread writes it", error=error)


class _Writer(pykka.ThreadingActor):
    """Appends batches in a thread, so that the event loop never waits for the disk."""

    use_daemon_thread = True

    def __init__(self, log: WritableLog, epoch: int) -> None:
        super().__init__()
        self._log, self._epoch = log, epoch

    def on_receive(self, message: _Write | _Store) -> None:
        """Append one batch, or store one note; the callback is called in this thread."""
        if isinstance(message, _Write):
            message.on_written(append_error(self._log, message.batch, epoch=self._epoch))
        else:
            message.on_stored(store_error(message.log, message.sequence, message.note))


def append_error(log: WritableLog, batch: Sequence[Assignment], *, epoch: int) -> EventStoreError | None:
    """Append a batch. Returns why it was not written, or None if it was."""
    try:
        log.append(batch, expected=batch[0].sequence - 1, epoch=epoch)
    except EventStoreError as error:
        return error
    except Exception as error:  # anything may fail here, and no sender may wait forever
        return LogFailed(f"the batch could not be written ({type(error).__name__}: {error})")
    return None


def store_error(log: CheckpointLog, sequence: int, note: str) -> EventStoreError | None:
    """Store a signed note. Returns why it was not stored, or None if it was."""
    try:
        log.store_checkpoint(sequence, note)
    except EventStoreError as error:
        return error
    return None


def _error_of(reply: bytes | None) -> EventStoreError | None:
    """The error in a child's reply."""
    if reply is None:
        return LogFailed("the child process that writes the log ended")
    return LogFailed(reply.decode()) if reply else None


def _resolve(future: "asyncio.Future[EventStoreError | None]", error: EventStoreError | None) -> None:
    if not future.done():  # the waiting task may have been cancelled
        future.set_result(error)
