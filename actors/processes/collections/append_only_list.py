"""An append-only list whose versions share memory."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """An immutable list. ``append`` returns a new list in constant time and leaves the old one unchanged.

    All versions share one Python list, and each version has its own length. Only the newest version appends in index.
    An older version, such as the state before a dryrun, copies the list first.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: list[T] | None = None, length: int = 0) -> None:
        self._items: list[T] = [] if items is None else items
        self._length = length

    def append(self, item: T) -> "History[T]":
        """A new list with one more item."""
        items = self._items if len(self._items) == self._length else self._items[: self._length]
        items.append(item)
        return History(items, self._length + 1)

    def __getitem__(self, index: int) -> T:
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._items[index if index >= 0 else self._length + index]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return iter(self._items[: self._length])
