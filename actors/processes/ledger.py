"""The messages of a conversation as its process keeps them: where each is in the log, not what it says."""

from array import array
from bisect import bisect_left
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
    one ledger share their columns, and each sees its own length of them. Only the newest can append in place; an older
    one (the state before a dryrun, say) copies first.
    """

    __slots__ = ("_columns", "_length")
    columns_of: ClassVar[dict[str, str]] = {"slots": "q", "timestamps": "q", "generations": "i", "by_b": "B"}
    """Names and types (as ``array`` has them) of the columns, in the order of an entry's fields."""
    entry: ClassVar[Any] = Entry

    def __init__(self, columns: tuple["array[int]", ...] | None = None, length: int = 0) -> None:
        self._columns = tuple(array(code) for code in self.columns_of.values()) if columns is None else columns
        self._length = length

    @classmethod
    def of(cls, columns: dict[str, list[int]]) -> Self:
        """A ledger from what ``columns`` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            arrays = tuple(array(code, columns[name]) for name, code in cls.columns_of.items())
        except (KeyError, TypeError, OverflowError):
            raise ValueError("this is no ledger") from None
        if len({len(column) for column in arrays}) != 1:
            raise ValueError("the columns of a ledger are of one length")
        return cls(arrays, len(arrays[0]))

    def columns(self) -> dict[str, list[int]]:
        """The entries, column by column."""
        return {
            name: column[: self._length].tolist() for name, column in zip(self.columns_of, self._columns, strict=True)
        }

    def append(self, entry: tuple[int, ...]) -> Self:
        """This ledger with one more entry."""
        columns = self._columns
        if len(columns[0]) != self._length:
            columns = tuple(column[: self._length] for column in columns)
        for column, value in zip(columns, entry, strict=True):
            column.append(value)
        return type(self)(columns, self._length + 1)

    def since(self, timestamp: int) -> int:
        """Place of the first entry that is not older than this."""
        return bisect_left(self._columns[1], timestamp, 0, self._length)

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < self._length:
            raise IndexError(place)
        return self.entry._make(column[place] for column in self._columns)

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
    columns_of: ClassVar[dict[str, str]] = {"slots": "q", "timestamps": "q", "generations": "i", "authors": "i"}
    entry: ClassVar[Any] = AuthoredEntry
