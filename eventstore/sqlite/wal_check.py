"""Acknowledged events that a log has lost, of which SQLite says nothing (https://sqlite.org/walformat.html).

After a crash, SQLite uses the frames up to the last transaction that is complete, and drops all later ones. That is
right for the transaction that the crash interrupted, which was never acknowledged. If a frame in the middle is damaged,
the transactions after it are dropped, too, although they were acknowledged.

The writer syncs each transaction before it starts the next one, so a crash leaves at most one that is incomplete, and
nothing continues that one. If a frame behind the last complete transaction continues the commit of another one, a frame
that was durable has changed.
"""

import os
import shlex
import sqlite3
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from eventstore.errors import StorageDamaged
from eventstore.sqlite.connect import connect_to_read, unusable_message
from eventstore.sqlite.file_identity import FileId, open_descriptor
from eventstore.sqlite.file_names import beside
from eventstore.sqlite.orphans import refuse_orphans

_HEADER = struct.Struct(">8I")
"""Magic number, format, page size, checkpoint number, two salts, two checksums."""
_FRAME = struct.Struct(">6I")
"""Page number, size of the database after a commit (else 0), two salts, two checksums."""
_HASHED = struct.Struct(">2I")
"""The part of a frame's header that its checksum covers, together with the page."""
_MAGIC = 0x377F0682
"""The last bit gives the byte order of the checksums."""
_INDEX_FRAMES = slice(16, 20)
"""Where the shared-memory index has the number of frames that SQLite uses, in the machine's byte order."""
_WORD_MAX = 2**32 - 1
_PAGE_BYTES_MAX = 65_536


class _Frames(NamedTuple):
    salts: tuple[int, int]
    page_bytes: int
    order: str
    """The byte order of the words that the checksums cover, in the notation of ``struct``."""
    used: int
    """Number of frames that SQLite uses."""


def refuse_lost_events(log: Path, *, durable: int) -> None:
    """Check, before a log is written, that nothing shows the loss of acknowledged events.

    It changes no file. A connection that can write would copy what is left of the write-ahead log into the log when it
    is closed, and remove what shows the loss.

    Args:
        log: the log; its lock is held.
        durable: the sequence up to which the log was durable, according to the lock file.

    Raises:
        StorageDamaged: events are missing.
    """
    if not log.exists():  # nothing is beside it: see ``refuse_orphans``
        return
    try:
        connection = connect_to_read(log)
    except sqlite3.Error:  # opening for writing repairs some errors, such as a hot journal, and reports the others
        return
    try:
        events = _events(connection)
        damage = _wal_damage(log)
    except sqlite3.Error as error:
        raise StorageDamaged(unusable_message(log, error)) from None
    finally:
        connection.close()
    if damage:
        raise StorageDamaged(
            f"the write-ahead log of {log} is damaged ({damage}): acknowledged events after event {events or 0} cannot"
            f" be read. If {log.name} is a copy, {log.name}-wal may belong to another one: put the files of one copy"
            f" together. Else restore a copy of the log. {_how_to_continue(log, events)}"
        )
    if events is not None and events < durable:
        raise StorageDamaged(
            f"{log} ends at event {events}, but events up to {durable} were acknowledged: the storage lost them,"
            f" or this is an older copy, or a copy that misses {log.name}-wal. Put that file back, or restore a newer"
            f" copy. {_how_to_continue(log, events)}"
        )


def _how_to_continue(log: Path, events: int | None) -> str:
    if not events:
        return f"To begin a new log, move {log.name} and the files beside it away"
    return f"To continue without these events, run `mostao upgrade {shlex.quote(str(log))} --accept-loss`"


def has_events(log: Path) -> bool:
    """Whether a log has at least one event. True if it cannot be read, which opening it reports."""
    refuse_orphans(log)
    if not log.exists() or log.stat().st_size == 0:
        return False
    try:
        connection = connect_to_read(log)
        try:
            return _events(connection) != 0
        finally:
            connection.close()
    except sqlite3.Error:
        return True


def _events(connection: sqlite3.Connection) -> int | None:
    """Number of events; None if there is another schema, which the check of the schema refuses."""
    if not connection.execute("select 1 from sqlite_master limit 1").fetchone():
        return 0  # all tables are in a write-ahead log that is missing
    query = "select 1 from sqlite_master where name = 'assignments' and type = 'table'"  # a view may be endless
    if not connection.execute(query).fetchone():
        return None
    [events] = connection.execute("select coalesce(max(sequence), 0) from assignments").fetchone()
    return int(events)


def _wal_damage(log: Path) -> str:
    """Why transactions that were durable are missing from the write-ahead log; empty if nothing shows that.

    Call this when a connection has the log open and has read from it, so that SQLite has recovered the write-ahead log,
    and before anything is written.
    """
    try:
        with beside(log, "-wal").open("rb") as wal:
            header = wal.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return ""
            if not _is_valid(header):
                return "its header is damaged" if _has_commit(wal) else ""
            fields = _HEADER.unpack(header)
            frames = _Frames((fields[4], fields[5]), fields[2], _order(fields[0]), _frames_used(log))
            return _damage_behind(wal, frames)
    except FileNotFoundError:
        return ""


def _damage_behind(wal: BinaryIO, frames: _Frames) -> str:
    """The damage that the frames behind the last one in use show.

    A frame's checksum continues that of the frame before. So if a frame continues the commit of a transaction, it was
    written after that transaction was synced. Frames that an earlier crash left behind continue nothing.
    """
    step = _FRAME.size + frames.page_bytes
    number, committed = frames.used, None
    while True:
        wal.seek(_HEADER.size + number * step)
        frame = wal.read(step)
        if len(frame) < step:
            return ""
        number += 1
        _, database_pages, *salts, first, second = _FRAME.unpack_from(frame)
        if tuple(salts) != frames.salts:  # it is of an earlier use of the file, or was never written whole
            committed = None
            continue
        if committed is not None:
            content = frame[: _HASHED.size] + frame[_FRAME.size :]
            if _checksum(content, frames.order, committed) == (first, second):
                return f"frame {frames.used + 1} is damaged, but frame {number} is of a later transaction"
        committed = (first, second) if database_pages else None


def _has_commit(wal: BinaryIO) -> bool:
    """Whether a write-ahead log has a transaction. The header is synced before the first frame is written."""
    page_bytes = 512
    while page_bytes <= _PAGE_BYTES_MAX:
        wal.seek(_HEADER.size)
        salts = None
        while len(header := wal.read(_FRAME.size)) == _FRAME.size:
            _, database_pages, *found, _, _ = _FRAME.unpack(header)
            if salts is not None and found != salts:
                break
            if database_pages and any(found):
                return True
            salts = found
            wal.seek(page_bytes, 1)
        page_bytes *= 2
    return False


def _is_valid(header: bytes) -> bool:
    magic = int.from_bytes(header[:4], "big")
    return magic & ~1 == _MAGIC and _checksum(header[:24], _order(magic), (0, 0)) == _HEADER.unpack(header)[6:]


def _order(magic: int) -> str:
    return ">" if magic & 1 else "<"


def _checksum(content: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    """SQLite's checksum of a content whose length is a multiple of 8 bytes, continued from another one."""
    first, second = start
    for one, two in struct.iter_unpack(f"{order}2I", content):
        first = first + one + second & _WORD_MAX
        second = second + two + first & _WORD_MAX
    return first, second


def _frames_used(log: Path) -> int:
    """The number of frames that SQLite uses, from the index that it built when it recovered the write-ahead log."""
    path = beside(log, "-shm")
    file_id, descriptor = FileId.of(path), None
    with suppress(OSError):  # the system does not list the open files
        descriptor = open_descriptor(file_id) if file_id is not None else None
    if descriptor is not None:
        index = os.pread(descriptor, _INDEX_FRAMES.stop, 0)
    else:
        with path.open("rb") as file:
            index = file.read(_INDEX_FRAMES.stop)
    return int.from_bytes(index[_INDEX_FRAMES], sys.byteorder)
