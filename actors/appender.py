"""How a node appends to its log: by itself while it has little to write, through a child process when it is busy.

SQLite lets go of the interpreter lock while it writes, but what a row is made of has to be handed to it value by value.
For that the writer's thread and the event loop would fight over the lock, and neither core would be busy.
"""

import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from actors.children import command_of, cores, framed, read_framed
from actors.logger import get_logger
from eventstore import Assignment, EventStoreError, Head, LogFailed, SqliteLog
from eventstore.lock import lock_as_helper

BATCH_ROWS_MIN = 48
"""A node that commits so many events at a time is busy …"""
CROWD = 2048
"""… and after so many of them a child is worth its start. From then on it writes everything: a connection forgets the
pages that it knows when another one writes."""
_PART_ROWS = 256
"""Rows handed over at a time: the child reads them while the next are encoded."""
_END_S = 10.0
_READY = "ready"

_Part = tuple[int, list[Assignment]]
"""Rows of a batch, and how many of it come behind them."""
_encode = msgspec.msgpack.Encoder().encode
_decode_part = msgspec.msgpack.Decoder(_Part).decode
_decode_answer = msgspec.msgpack.Decoder(str).decode

logger = get_logger()


class Appender:
    """Takes a log's batches, one at a time.

    Attributes:
        child_writes: whether a child process has them.
    """

    def __init__(self, log: SqliteLog) -> None:
        """Append to a log that is open for writing, and that nobody else appends to."""
        self._log = log
        self._crowded = 0
        self._child: subprocess.Popen[bytes] | None = None
        self.child_writes = False
        self._may_have_child = cores() > 1

    def append(self, batch: Sequence[Assignment], *, expected: int) -> Head:
        """See ``EventLog.append``."""
        if len(batch) >= BATCH_ROWS_MIN:
            self._crowded += len(batch)
        if self._crowded >= CROWD and self._may_have_child:
            try:
                if self._ready():
                    return self._hand_over(batch)
            except (OSError, EOFError) as error:
                self._lose(error)
                found = self._log.head()
                if found == Head.at(batch[-1]):
                    return found  # it went after it had written it
        return self._log.append(batch, expected=expected)

    def close(self) -> None:
        """End the child. Nothing may be on its way to it."""
        self._may_have_child = False
        self.child_writes = False
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(OSError):  # it is gone already
            child.stdin.close()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def _ready(self) -> bool:
        """Whether there is a child that takes a batch. It is started when it is first wanted.

        Raises:
            OSError, EOFError: it cannot be started, or it ended.
        """
        if self._child is None:
            command, environment = command_of(__name__, str(self._log.path))
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        if not self.child_writes:
            assert self._child.stdout is not None
            said = select.poll()
            said.register(self._child.stdout, select.POLLIN)
            self.child_writes = bool(said.poll(0)) and self._answer() == _READY
        return self.child_writes

    def _hand_over(self, batch: Sequence[Assignment]) -> Head:
        """Have the child append a batch.

        Raises:
            LogFailed: the medium refused.
            OSError, EOFError: the child ended; the batch may be written or not.
        """
        assert self._child is not None
        assert self._child.stdin is not None
        for stop in range(_PART_ROWS, len(batch) + _PART_ROWS, _PART_ROWS):
            _say(self._child.stdin, (max(len(batch) - stop, 0), batch[stop - _PART_ROWS : stop]))
        refused = self._answer()
        if refused:
            raise LogFailed(refused)
        return Head.at(batch[-1])

    def _answer(self) -> str:
        assert self._child is not None
        assert self._child.stdout is not None
        said = read_framed(self._child.stdout)
        if said is None:
            raise EOFError("it ended")
        return _decode_answer(said)

    def _lose(self, error: Exception) -> None:
        """Go on without a child. It has ended when this returns, so that it can be seen what it wrote."""
        logger.warning("the node writes its log by itself: the child process that did is gone", error=str(error))
        if self._child is not None:
            self._child.kill()
        self.close()


def _say(stream: IO[bytes], what: Any) -> None:
    stream.write(framed(_encode(what)))
    stream.flush()


def work() -> None:
    """What the child does, until its standard input ends, as it does with its parent: batches, whole ones only."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # what means the node; its last batch may be still to come
        signal.signal(ignored, signal.SIG_IGN)
    from actors.interpreter import dedicate_process

    path = Path(sys.argv[1])
    lock_as_helper(path)
    log = SqliteLog.open_to_help(path)
    dedicate_process()
    batches, answers = sys.stdin.buffer, sys.stdout.buffer
    _say(answers, _READY)
    batch: list[Assignment] = []
    while (part := read_framed(batches)) is not None:
        left, rows = _decode_part(part)
        batch += rows
        if not left:
            _say(answers, _append(log, batch))
            log.fold()
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
