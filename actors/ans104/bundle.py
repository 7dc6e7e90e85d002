"""Bundles of data items (ANS-104): number of items, size and id of each item, then the items.

Numbers are 32 bytes, little-endian.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from actors.ans104.item import ItemRefused, item_id
from eventstore.records import decode_id, encode_id

NUMBER_BYTES = ID_BYTES = 32
ITEM_BYTES_MAX = 256_000_000
"""Limit of an item, which is read into memory."""
_ENTRY_BYTES = NUMBER_BYTES + ID_BYTES


class BundleUnusable(Exception):
    """A file is not a bundle, or is truncated. The text names the file and the reason."""


def write_bundle(file: BinaryIO, items: Iterable[bytes]) -> int:
    """Write items as a bundle, and return their number. Needs memory for one item at a time."""
    with TemporaryFile() as entries, TemporaryFile() as bodies:
        count = 0
        for item in items:
            count += 1
            entries.write(len(item).to_bytes(NUMBER_BYTES, "little") + decode_id(item_id(item)))
            bodies.write(item)
        file.write(count.to_bytes(NUMBER_BYTES, "little"))
        for part in (entries, bodies):
            part.seek(0)
            shutil.copyfileobj(part, file)
    return count


class Bundle:
    """Reads a bundle.

    Attributes:
        count: number of items.
    """

    def __init__(self, name: object, size: int, open_bundle: Callable[[], BinaryIO]) -> None:
        """Read the number of items.

        Args:
            name: name of the bundle in error messages.
            size: size in bytes.
            open_bundle: opens the bundle at its beginning.

        Raises:
            BundleUnusable: the bundle cannot be read, or is not a bundle.
        """
        self._name, self._size, self._open = name, size, open_bundle
        try:
            with open_bundle() as file:
                self.count = self._number(file)
        except OSError as error:
            raise BundleUnusable(f"{name} cannot be read ({error.strerror})") from None
        self._items_start = NUMBER_BYTES + self.count * _ENTRY_BYTES
        if self._items_start > self._size:
            raise BundleUnusable(f"{name} is not a bundle: it is shorter than the list of its items")

    @classmethod
    def of_file(cls, path: Path) -> "Bundle":
        """Open a bundle in a regular file. A pipe or a device is refused, because its size is unknown.

        Raises:
            BundleUnusable: the file cannot be read, or is not a bundle.
        """
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise BundleUnusable(f"{path} is not a regular file: store the bundle in a file first")
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that takes the file's place does not block
            return cls(path, status.st_size, lambda: os.fdopen(os.open(path, flags), "rb"))
        except OSError as error:
            raise BundleUnusable(f"{path} cannot be read ({error.strerror})") from None

    @classmethod
    def of_bytes(cls, raw: bytes, name: str) -> "Bundle":
        """Open a bundle in memory.

        Raises:
            BundleUnusable: the bytes are not a bundle.
        """
        return cls(name, len(raw), lambda: BytesIO(raw))

    def items(self) -> Iterator[bytes]:
        """The items in order.

        Raises:
            BundleUnusable: an item differs from its entry, or bytes follow the last item.
        """
        with self._open() as entries, self._open() as bodies:
            entries.seek(NUMBER_BYTES)
            bodies.seek(self._items_start)
            for number in range(1, self.count + 1):
                size, id_ = self._number(entries), encode_id(entries.read(ID_BYTES))
                if size > self._size - bodies.tell():
                    raise BundleUnusable(f"{self._name} is truncated: item {number:,} of {self.count:,} is incomplete")
                if size > ITEM_BYTES_MAX:
                    raise BundleUnusable(
                        f"{self._name}, item {number:,} has {size:,} bytes, but the limit is {ITEM_BYTES_MAX:,}"
                    )
                item = bodies.read(size)
                try:
                    actual_id = item_id(item)
                except ItemRefused as refusal:
                    raise BundleUnusable(f"{self._name}, item {number:,}: {refusal}") from None
                if actual_id != id_:
                    raise BundleUnusable(f"{self._name}, item {number:,} has the id {actual_id}, but its entry {id_}")
                yield item
            if bodies.read(1):
                raise BundleUnusable(f"{self._name} has bytes after its last item")

    def _number(self, file: BinaryIO) -> int:
        raw = file.read(NUMBER_BYTES)
        if len(raw) < NUMBER_BYTES:
            raise BundleUnusable(f"{self._name} is not a bundle: it is too short")
        return int.from_bytes(raw, "little")
