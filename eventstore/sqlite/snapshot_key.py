"""The secret key of a log's snapshots: only snapshots that a node of this log wrote have a valid MAC.

A plain hash would not do: a snapshot is a state that the node continues from, and anyone can hash a forged state.
"""

import hmac
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from eventstore.commit_log import Head
from eventstore.snapshots import Snapshot, SnapshotsUnusable
from eventstore.sqlite.file_names import beside

KEY_BYTES = 32
_encode = msgspec.msgpack.Encoder().encode


class SnapshotKey:
    """Makes and checks HMAC-SHA256 codes (RFC 2104) over everything in a file of snapshots that a node trusts.

    Args:
        key: 32 secret bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> "SnapshotKey":
        """Read a key file.

        Raises:
            SnapshotsUnusable: it is missing, malformed, or not secret: it belongs to another user, or others may read
                or write it.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                status = os.fstat(descriptor)
                key = os.read(descriptor, KEY_BYTES + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SnapshotsUnusable(f"their key {path} cannot be read ({error.strerror})") from None
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise SnapshotsUnusable(f"their key {path} is not secret: it has mode {stat.S_IMODE(status.st_mode):04o}")
        if not stat.S_ISREG(status.st_mode) or len(key) != KEY_BYTES:
            raise SnapshotsUnusable(f"their key {path} is not a file of {KEY_BYTES} bytes")
        return cls(key)

    @classmethod
    def create(cls, path: Path) -> "SnapshotKey":
        """Make a key and write it to a durable file of mode 0600. A file that is there is replaced.

        Raises:
            SnapshotsUnusable: the file cannot be written.
        """
        key = os.urandom(KEY_BYTES)
        try:
            path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, key)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _sync_folder(path.parent)
        except OSError as error:
            raise SnapshotsUnusable(f"the key {path} cannot be written ({error.strerror})") from None
        return cls(key)

    def mac_of_snapshot(self, snapshot: Snapshot) -> bytes:
        """The MAC over all fields of a snapshot."""
        *place, state = msgspec.structs.astuple(snapshot)
        return self._mac(_encode(("snapshot", *place)) + state)

    def mac_of_watermark(self, watermark: Head, modules: Sequence[str]) -> bytes:
        """The MAC over a watermark and the modules up to it."""
        return self._mac(_encode(("watermark", *watermark, *modules)))

    def is_valid_snapshot(self, snapshot: Snapshot, mac: object) -> bool:
        """Whether a MAC belongs to a snapshot."""
        return isinstance(snapshot.state, bytes) and _are_equal(self.mac_of_snapshot(snapshot), mac)

    def is_valid_watermark(self, watermark: Head, modules: Sequence[str], mac: object) -> bool:
        """Whether a MAC belongs to a watermark and modules."""
        return _are_equal(self.mac_of_watermark(watermark, modules), mac)

    def _mac(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, "sha256")


def key_path(snapshots: Path) -> Path:
    """The key file of a file of snapshots."""
    return beside(snapshots, ".key")


def _are_equal(expected: bytes, found: object) -> bool:
    return isinstance(found, bytes) and hmac.compare_digest(expected, found)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
