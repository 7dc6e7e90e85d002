"""The messages of a conversation as its process keeps them: where each is in the log, not what it says."""

import struct
from bisect import bisect_left
from itertools import starmap
from typing import Any, ClassVar, NamedTuple, Self


class Entry(NamedTuple):
    """One message."""

    slot: int
    """Place in the process's own history of the assignment that brought it."""
    timestamp: int
    """In ms."""
    generation: int
    by_b: int
    """Which side sent it: 0 for a, 1 for b."""


class Ledger:
    """An immutable sequence of entries. Appending gives a new one in constant time; the old one stays as it was.

    An entry takes 21 bytes, so a conversation of a million messages fits in memory beside many others. The versions of
    one ledger share their bytes, and each sees its own length of them. Only the newest can append in place; an older
    one (the state before a dryrun, say) copies first.
    """

    __slots__ = ("_entries", "_length")
    columns_of: ClassVar[tuple[str, ...]] = ("slots", "timestamps", "generations", "by_b")
    """Names of the columns, in the order of an entry's fields."""
    layout: ClassVar[struct.Struct] = struct.Struct("<qqiB")
    entry: ClassVar[Any] = Entry

    def __init__(self, entries: bytearray | None = None, length: int = 0) -> None:
        self._entries = bytearray() if entries is None else entries
        self._length = length

    @classmethod
    def of(cls, columns: dict[str, list[int]]) -> Self:
        """A ledger from what ``columns`` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            rows = list(zip(*(columns[name] for name in cls.columns_of), strict=True))
            return cls(bytearray().join(starmap(cls.layout.pack, rows)), len(rows))
        except (KeyError, TypeError, ValueError, struct.error):
            raise ValueError("this is no ledger: its columns are numbers, and of one length") from None

    def columns(self) -> dict[str, list[int]]:
        """The entries, column by column."""
        rows = self.layout.iter_unpack(self._entries[: self._length * self.layout.size])
        columns = zip(*rows, strict=True) if self._length else ((),) * len(self.columns_of)
        return dict(zip(self.columns_of, map(list, columns), strict=True))

    def append(self, entry: tuple[int, ...]) -> Self:
        """This ledger with one more entry."""
        entries, layout = self._entries, self.layout
        if len(entries) != self._length * layout.size:
            entries = entries[: self._length * layout.size]
        entries += layout.pack(*entry)
        return type(self)(entries, self._length + 1)

    def since(self, timestamp: int) -> int:
        """Place of the first entry that is not older than this."""
        return bisect_left(range(self._length), timestamp, key=lambda place: self[place].timestamp)

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < self._length:
            raise IndexError(place)
        return self.entry._make(self.layout.unpack_from(self._entries, place * self.layout.size))

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Ledger) and self.columns() == other.columns()

    __hash__ = None  # type: ignore[assignment]


class AuthoredEntry(NamedTuple):
    """One message of many people's conversation."""

    slot: int
    """As ``Entry``'s, like those that follow."""
    timestamp: int
    generation: int
    author: int
    """Which of those who ever spoke there, from 0."""


class AuthoredLedger(Ledger):
    """A ledger of many people's conversation."""

    __slots__ = ()
    columns_of: ClassVar[tuple[str, ...]] = ("slots", "timestamps", "generations", "authors")
    layout: ClassVar[struct.Struct] = struct.Struct("<qqii")
    entry: ClassVar[Any] = AuthoredEntry
