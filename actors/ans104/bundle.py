"""Bundles of data items in one file (ANS-104): how many, the size and the id of each, and then the items.

Numbers are 32 bytes, little-endian.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from actors.ans104.item import ItemRefused, item_id
from eventstore.records import decode_id, encode_id

NUMBER_BYTES = ID_BYTES = 32
_ENTRY_BYTES = NUMBER_BYTES + ID_BYTES


class BundleUnusable(Exception):
    """A file that is no bundle, or one that was cut short; says which and why."""


def write_bundle(file: BinaryIO, items: Iterable[bytes]) -> int:
    """Write items as a bundle; gives their number. Needs no more memory than the longest of them."""
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
    """A bundle that is to be read.

    Attributes:
        count: number of its items.
    """

    def __init__(self, name: object, size: int, opened: Callable[[], BinaryIO]) -> None:
        """Look at a bundle.

        Args:
            name: what it is called in errors.
            size: its bytes.
            opened: gives it to be read, from its beginning.

        Raises:
            BundleUnusable: it cannot be read, or is no bundle.
        """
        self._name, self._size, self._opened = name, size, opened
        try:
            with opened() as file:
                self.count = self._number(file)
        except OSError as error:
            raise BundleUnusable(f"{name} cannot be read ({error.strerror})") from None
        self._items_from = NUMBER_BYTES + self.count * _ENTRY_BYTES
        if self._items_from > self._size:
            raise BundleUnusable(f"{name} is no bundle: it is shorter than the list of its items")

    @classmethod
    def of_file(cls, path: Path) -> "Bundle":
        """The bundle in a file.

        Raises:
            BundleUnusable: it cannot be read, or is no bundle.
        """
        try:
            return cls(path, path.stat().st_size, lambda: path.open("rb"))
        except OSError as error:
            raise BundleUnusable(f"{path} cannot be read ({error.strerror})") from None

    @classmethod
    def of_bytes(cls, raw: bytes, name: str) -> "Bundle":
        """The bundle that some bytes are.

        Raises:
            BundleUnusable: they are none.
        """
        return cls(name, len(raw), lambda: BytesIO(raw))

    def items(self) -> Iterator[bytes]:
        """The items in order.

        Raises:
            BundleUnusable: one is not what the bundle says of it, or something follows the last.
        """
        with self._opened() as entries, self._opened() as bodies:
            entries.seek(NUMBER_BYTES)
            bodies.seek(self._items_from)
            for number in range(1, self.count + 1):
                size, id_ = self._number(entries), encode_id(entries.read(ID_BYTES))
                if size > self._size - bodies.tell():
                    raise BundleUnusable(
                        f"{self._name} is cut short: item {number:,} of {self.count:,} is not all there"
                    )
                item = bodies.read(size)
                try:
                    found = item_id(item)
                except ItemRefused as refusal:
                    raise BundleUnusable(f"{self._name}, item {number:,}: {refusal}") from None
                if found != id_:
                    raise BundleUnusable(f"{self._name}, item {number:,} is called {id_}, and is {found}")
                yield item
            if bodies.read(1):
                raise BundleUnusable(f"{self._name} goes on behind its last item")

    def _number(self, file: BinaryIO) -> int:
        raw = file.read(NUMBER_BYTES)
        if len(raw) < NUMBER_BYTES:
            raise BundleUnusable(f"{self._name} is no bundle: it is too short")
        return int.from_bytes(raw, "little")
