"""Packed lists of a conversation's messages: the slot and metadata of each message, not its content."""

import struct
from bisect import bisect_left
from itertools import starmap
from typing import Any, ClassVar, NamedTuple, Self


class Entry(NamedTuple):
    """One message of a session."""

    slot: int
    """Slot of the message in its process."""
    timestamp: int
    """Timestamp of the assignment, in ms."""
    generation: int
    by_b: int
    """Side that sent it: 0 for a, 1 for b."""


class Ledger:
    """An immutable list of entries. ``append`` returns a new ledger in constant time and leaves the old one unchanged.

    An entry takes 21 bytes, so a million messages take 21 MB. All versions of a ledger share one byte array, and each
    version has its own length. Only the newest version appends in place. An older version, such as the state before a
    dryrun, copies the array first.
    """

    __slots__ = ("_entries", "_length")
    columns_of: ClassVar[tuple[str, ...]] = ("slots", "timestamps", "generations", "by_b")
    """Names of the columns, in the order of the entry's fields."""
    layout: ClassVar[struct.Struct] = struct.Struct("<qqiB")
    entry: ClassVar[Any] = Entry

    def __init__(self, entries: bytearray | None = None, length: int = 0) -> None:
        self._entries = bytearray() if entries is None else entries
        self._length = length

    @classmethod
    def of(cls, columns: dict[str, list[int]]) -> Self:
        """A ledger from the result of ``columns``.

        Raises:
            ValueError: the columns are not those of a ledger.
        """
        try:
            rows = list(zip(*(columns[name] for name in cls.columns_of), strict=True))
            return cls(bytearray().join(starmap(cls.layout.pack, rows)), len(rows))
        except (KeyError, TypeError, ValueError, struct.error):
            raise ValueError("this is no ledger: its columns are numbers, and of one length") from None

    def columns(self) -> dict[str, list[int]]:
        """The entries as columns: a list of values per field."""
        rows = self.layout.iter_unpack(self._entries[: self._length * self.layout.size])
        columns = zip(*rows, strict=True) if self._length else ((),) * len(self.columns_of)
        return dict(zip(self.columns_of, map(list, columns), strict=True))

    def append(self, entry: tuple[int, ...]) -> Self:
        """A new ledger with one more entry."""
        entries, layout = self._entries, self.layout
        if len(entries) != self._length * layout.size:
            entries = entries[: self._length * layout.size]
        entries += layout.pack(*entry)
        return type(self)(entries, self._length + 1)

    def since(self, timestamp: int) -> int:
        """Index of the first entry with this timestamp (ms) or a later one."""
        return bisect_left(range(self._length), timestamp, key=lambda index: self[index].timestamp)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self.entry._make(self.layout.unpack_from(self._entries, index * self.layout.size))

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Ledger) and self.columns() == other.columns()

    __hash__ = None  # type: ignore[assignment]


class AuthoredEntry(NamedTuple):
    """One message of a group."""

    slot: int
    """Slot, timestamp and generation have the meaning of ``Entry``."""
    timestamp: int
    generation: int
    author: int
    """Index of the sender in the ``authors`` of the group's state."""


class AuthoredLedger(Ledger):
    """A ledger of a group. An entry takes 24 bytes."""

    __slots__ = ()
    columns_of: ClassVar[tuple[str, ...]] = ("slots", "timestamps", "generations", "authors")
    layout: ClassVar[struct.Struct] = struct.Struct("<qqii")
    entry: ClassVar[Any] = AuthoredEntry
