"""An append-only sequence that is cheap to keep many versions of."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """An immutable sequence. Appending gives a new one in constant time; the old one stays as it was.

    The versions of one history share a list, and each sees its own length of it. Only the newest can append in place;
    an older one (the state before a dryrun, say) copies first.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: list[T] | None = None, length: int = 0) -> None:
        self._items: list[T] = [] if items is None else items
        self._length = length

    def append(self, item: T) -> "History[T]":
        """This history with one more item."""
        items = self._items if len(self._items) == self._length else self._items[: self._length]
        items.append(item)
        return History(items, self._length + 1)

    def __getitem__(self, place: int) -> T:
        if not -self._length <= place < self._length:
            raise IndexError(place)
        return self._items[place if place >= 0 else self._length + place]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return iter(self._items[: self._length])
