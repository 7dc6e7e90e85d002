"""The Merkle tree over a log: its leaves are the assignments' ids, and every 256th hash of it is kept in the log.

So a root or a proof for a log of any length reads a few hundred rows. Level 1 holds a hash for each 256 assignments,
level 2 one for each 256 of those, and so on; only hashes that nothing appended can change are kept.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from eventstore.merkle.rfc9162 import fold, leaf_hash, leaf_hashes, node_hash, split

FAN = 256
_FAN_BITS = 8


Leaves = Callable[[int, int], list[bytes]]
"""Ids of the assignments from one place (from 0) up to, not including, another."""
Nodes = Callable[[int, int, int], list[bytes]]
"""Kept hashes of a level from one number up to, not including, another."""


class TreeNode(NamedTuple):
    """A hash of the tree that is kept."""

    level: int
    """It covers ``FAN ** level`` assignments."""
    number: int
    """How many of its level stand before it."""
    hash: bytes


class TreeBuilder:
    """Grows the tree by one assignment after the other.

    Attributes:
        size: number of assignments that it stands on.
    """

    def __init__(self, size: int = 0, levels: Sequence[Sequence[bytes]] = ([],)) -> None:
        """Go on after ``size`` assignments.

        Args:
            size: how many there are.
            levels: what is not covered by a higher level yet: leaf hashes, then level 1, then level 2.
        """
        self.size = size
        self._levels = [list(nodes) for nodes in levels]
        self._numbers = [size // FAN ** (level + 1) for level in range(len(self._levels))]

    @classmethod
    def at(cls, size: int, leaves: Leaves, nodes: Nodes) -> "TreeBuilder":
        """Stand at the end of a log of this size, whose kept hashes are there.

        Args:
            size: number of assignments.
            leaves: the log's assignments.
            nodes: the hashes that it keeps.
        """
        levels = [leaf_hashes(leaves(size // FAN * FAN, size))]
        level, count = 1, size // FAN
        while count:
            levels.append(nodes(level, count // FAN * FAN, count))
            level, count = level + 1, count // FAN
        return cls(size, levels)

    def append(self, assignment_id: bytes) -> list[TreeNode]:
        """Add an assignment; gives the hashes that it completed, which are to be kept."""
        self.size += 1
        self._levels[0].append(leaf_hash(assignment_id))
        completed: list[TreeNode] = []
        level = 0
        while len(self._levels[level]) == FAN:
            hashed = fold(self._levels[level])
            self._levels[level] = []
            completed.append(TreeNode(level + 1, self._numbers[level], hashed))
            self._numbers[level] += 1
            level += 1
            if level == len(self._levels):
                self._levels.append([])
                self._numbers.append(0)
            self._levels[level].append(hashed)
        return completed


class StoredTree:
    """Hashes of any part of the tree, from what a log keeps."""

    def __init__(self, leaves: Leaves, nodes: Nodes) -> None:
        self._leaves = leaves
        self._nodes = nodes
        self._blocks: dict[int, list[bytes]] = {}

    def root(self, size: int) -> bytes:
        """The root over the first ``size`` assignments."""
        return self.subtree(0, size) if size else fold([])

    def subtree(self, start: int, stop: int) -> bytes:
        """The hash over the assignments from ``start`` up to, not including, ``stop``, as RFC 9162 parts them."""
        size = stop - start
        if size & (size - 1):
            middle = start + split(size)
            return node_hash(self.subtree(start, middle), self.subtree(middle, stop))
        level = (size.bit_length() - 1) // _FAN_BITS
        if not level:
            return fold(self._block(start // FAN)[start % FAN : start % FAN + size])
        covers = FAN**level
        return fold(self._nodes(level, start // covers, stop // covers))

    def _block(self, number: int) -> list[bytes]:
        """The leaf hashes of 256 assignments."""
        if number not in self._blocks:
            leaves = self._leaves(number * FAN, (number + 1) * FAN)
            self._blocks[number] = leaf_hashes(leaves)
        return self._blocks[number]


def nodes_over(first_level: Sequence[bytes]) -> list[TreeNode]:
    """Every hash that a log keeps, level by level, from those of level 1."""
    nodes: list[TreeNode] = []
    level, hashes = 1, list(first_level)
    while hashes:
        nodes += [TreeNode(level, number, hashed) for number, hashed in enumerate(hashes)]
        whole = len(hashes) // FAN * FAN
        level, hashes = level + 1, [fold(hashes[start : start + FAN]) for start in range(0, whole, FAN)]
    return nodes
