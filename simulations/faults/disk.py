"""A simulated disk: which bytes of each file are durable, and what a crash leaves of the others.

A write reaches the drive's cache. A sync makes it durable, unless the drive lies about the sync. A crash keeps what is
durable, and of each other write any subset of its sectors, whatever their order was. The drive writes a sector whole.
"""

import threading
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR_BYTES = 512
_LOST_SHARES = (1.0, 0.5, 0.1)
"""Of the sectors of a file in the cache of a drive that lied about a sync: the share that a crash loses."""
_TAKEN_BACK = 0.5
"""Probability that a power failure takes the unsynced file back: the kernel writes it after some seconds."""


_ROTTING = ("", "-wal", "-wal", ".snapshots")
"""What follows the log's name in the names of the files whose bits flip. Until it is copied, most is in the WAL."""


class DiskFaults(NamedTuple):
    """How a disk fails. Each value is a probability."""

    torn_write: float = 0.0
    """Of each sector that is written but not durable: a crash loses it."""
    lost_fsync: float = 0.0
    """Of each sync: the drive reports it, and does nothing."""
    bit_rot: float = 0.0
    """Of each crash: one bit of a file flips while the node is down."""

    @property
    def occur(self) -> bool:
        """Whether the disk ever fails."""
        return any(self)


class _Write(NamedTuple):
    offset: int
    data: bytes


class _Truncation(NamedTuple):
    size: int


class _File:
    """One file: its durable content, and the operations since then in their order."""

    def __init__(self, content: bytes, random: Random) -> None:
        self.random = random
        self.durable = bytearray(content)
        self.pending: list[_Write | _Truncation] = []
        self.promised = 0
        """Number of pending operations that the drive reported as durable."""


class Disk:
    """The disk under the files of one log.

    It is told every write, truncation, sync and deletion (``simulations.faults.sqlite_vfs`` does this). It changes
    nothing before ``crash``, which writes to each file what the crash left of it.

    Args:
        faults: how it fails.
        seed: names the random numbers. Each file has its own, because threads write several files in any order.
        unsynced: a file that is written without syncs. A power failure keeps it, or takes it back to its content after
            the power failure before.

    Attributes:
        lost_every_trace: whether the last crash took the unsynced file back.
        is_damaged: whether a crash has lost or changed bytes that the drive had reported as durable.
    """

    def __init__(self, faults: DiskFaults, seed: str, *, unsynced: Path) -> None:
        self._faults, self._seed, self._crashes = faults, seed, 0
        self._random = Random(seed)
        self._files: dict[Path, _File] = {}
        self._lock = threading.Lock()
        self._has_power = True
        self._is_syncing = True
        self._unsynced, self._unsynced_content, self._unsynced_at_crash = unsynced, b"", b""
        self.is_damaged = self.lost_every_trace = False

    def opened(self, path: Path) -> None:
        """A file was opened, and perhaps created."""
        with self._lock:
            if path not in self._files:
                random = Random(f"{self._seed}/{self._crashes}/{self._suffix(path)}")
                self._files[path] = _File(path.read_bytes() if path.exists() else b"", random)

    def written(self, path: Path, data: bytes, offset: int) -> None:
        """Bytes were written to the cache."""
        with self._lock:
            if self._has_power:
                self._files[path].pending.append(_Write(offset, data))

    def truncated(self, path: Path, size: int) -> None:
        """A file was truncated in the cache."""
        with self._lock:
            if self._has_power:
                self._files[path].pending.append(_Truncation(size))

    def synced(self, path: Path) -> None:
        """A sync of a file returned."""
        with self._lock:
            self._has_power &= self._is_syncing
            if not self._has_power:
                return
            file = self._files[path]
            if self._faults.lost_fsync and file.random.random() < self._faults.lost_fsync:
                file.promised = len(file.pending)
                return
            for operation in file.pending:
                _apply(file.durable, operation)
            file.pending.clear()
            file.promised = 0

    def deleted(self, path: Path) -> None:
        """A file was deleted, durably."""
        with self._lock:
            if self._has_power:
                self._files.pop(path, None)

    def stop_syncing(self) -> None:
        """The power fails during the next sync: what was written before it may survive, and nothing follows."""
        self._is_syncing = False
        self._unsynced_at_crash = self._unsynced.read_bytes()

    def cut_power(self) -> None:
        """From now on, nothing reaches the disk."""
        self._has_power = False

    def crash(self) -> None:
        """Write to each file what the crash left of it, and start again with this content."""
        with self._lock:
            for _, file in sorted(self._files.items()):
                share = self._faults.torn_write
                if file.promised:  # the drive's cache may lose all that it holds, or part of it
                    share = max(share, file.random.choice(_LOST_SHARES))
                for number, operation in enumerate(file.pending):
                    is_whole = _apply_torn(file, operation, share)
                    self.is_damaged |= number < file.promised and not is_whole
            self._take_back_unsynced()
            self._rot()
            for path, file in self._files.items():
                path.write_bytes(file.durable)
                path.with_name(path.name + "-shm").unlink(missing_ok=True)  # shared memory, which SQLite builds again
            self._files.clear()
            self._crashes += 1
            self._has_power = self._is_syncing = True

    def _take_back_unsynced(self) -> None:
        fails_power = self._faults.torn_write > 0 or self._faults.lost_fsync > 0
        self.lost_every_trace = fails_power and self._random.random() < _TAKEN_BACK
        if not self.lost_every_trace:
            self._unsynced_content = self._unsynced_at_crash
        self._unsynced.write_bytes(self._unsynced_content)

    def _rot(self) -> None:
        """Flip one bit of one file."""
        if not self._faults.bit_rot or self._random.random() >= self._faults.bit_rot:
            return
        suffix = self._random.choice(_ROTTING)
        share, bit = self._random.random(), self._random.randrange(8)
        for path, file in self._files.items():
            if self._suffix(path) == suffix and file.durable:
                file.durable[int(share * len(file.durable))] ^= 1 << bit
                self.is_damaged = True

    def _suffix(self, path: Path) -> str:
        """What follows the log's name in the name of a file beside it."""
        return path.name.removeprefix(self._unsynced.stem)


def _apply_torn(file: _File, operation: _Write | _Truncation, share: float) -> bool:
    """Apply the sectors of an operation that the crash does not lose. Returns whether it lost none."""
    if isinstance(operation, _Truncation):
        survives = file.random.random() >= share
        if survives:
            _apply(file.durable, operation)
        return survives
    is_whole = True
    start, end = operation.offset, operation.offset + len(operation.data)
    while start < end:
        stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
        if file.random.random() >= share:
            data = operation.data[start - operation.offset : stop - operation.offset]
            _apply(file.durable, _Write(start, data))
        else:
            is_whole = False
        start = stop
    return is_whole


def _apply(content: bytearray, operation: _Write | _Truncation) -> None:
    if isinstance(operation, _Truncation):
        del content[operation.size :]
        return
    offset, data = operation
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
