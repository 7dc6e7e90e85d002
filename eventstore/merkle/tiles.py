"""The Merkle tree over a log: its leaves are the ids of the assignments, and the log stores every 256th hash.

A root or a proof for a log of any length thus reads a few hundred rows. Level 1 has one hash for each 256 assignments,
level 2 one for each 256 hashes of level 1, and so on. The log stores only hashes of full subtrees, which later appends
cannot change.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from eventstore.merkle.rfc9162 import leaf_hash, leaf_hashes, node_hash, root_of, split_point

FAN = 256
"""Fan-out of the stored levels: hashes of one level that a hash of the next level covers."""
_FAN_BITS = 8


Leaves = Callable[[int, int], list[bytes]]
"""Returns the ids of the assignments with ``start <= index < stop``, where index is sequence - 1."""
Nodes = Callable[[int, int, int], list[bytes]]
"""Returns the stored hashes of a level with ``start <= number < stop``."""


class TreeNode(NamedTuple):
    """A stored hash of the tree."""

    level: int
    """The hash covers ``FAN ** level`` assignments."""
    number: int
    """Position within the level, from 0."""
    hash: bytes


class TreeBuilder:
    """Builds the tree by appending assignments.

    Attributes:
        size: number of assignments so far.
    """

    def __init__(self, size: int = 0, levels: Sequence[Sequence[bytes]] = ([],)) -> None:
        """Continue after ``size`` assignments.

        Args:
            size: number of assignments in the tree.
            levels: the hashes that no hash of a higher level covers yet: leaf hashes, level 1, level 2, and so on.
        """
        self.size = size
        self._levels = [list(nodes) for nodes in levels]
        self._numbers = [size // FAN ** (level + 1) for level in range(len(self._levels))]

    @classmethod
    def at(cls, size: int, leaves: Leaves, nodes: Nodes) -> "TreeBuilder":
        """Continue at the end of a log that stores its tree.

        Args:
            size: number of assignments in the log.
            leaves: reads the log's assignment ids.
            nodes: reads the log's stored hashes.
        """
        levels = [leaf_hashes(leaves(size // FAN * FAN, size))]
        level, count = 1, size // FAN
        while count:
            levels.append(nodes(level, count // FAN * FAN, count))
            level, count = level + 1, count // FAN
        return cls(size, levels)

    def append(self, assignment_id: bytes) -> list[TreeNode]:
        """Append an assignment. Returns the hashes that it completes; the caller stores them."""
        self.size += 1
        self._levels[0].append(leaf_hash(assignment_id))
        completed: list[TreeNode] = []
        level = 0
        while len(self._levels[level]) == FAN:
            node = root_of(self._levels[level])
            self._levels[level] = []
            completed.append(TreeNode(level + 1, self._numbers[level], node))
            self._numbers[level] += 1
            level += 1
            if level == len(self._levels):
                self._levels.append([])
                self._numbers.append(0)
            self._levels[level].append(node)
        return completed


class StoredTree:
    """Computes the hash of any subtree from a log's assignment ids and stored hashes."""

    def __init__(self, leaves: Leaves, nodes: Nodes) -> None:
        self._leaves = leaves
        self._nodes = nodes
        self._blocks: dict[int, list[bytes]] = {}

    def root(self, size: int) -> bytes:
        """The root over the first ``size`` assignments."""
        return self.subtree(0, size) if size else root_of([])

    def subtree(self, start: int, stop: int) -> bytes:
        """The hash over the assignments with ``start <= index < stop``, which are a subtree in terms of RFC 9162."""
        size = stop - start
        if size & (size - 1):
            middle = start + split_point(size)
            return node_hash(self.subtree(start, middle), self.subtree(middle, stop))
        level = (size.bit_length() - 1) // _FAN_BITS
        if not level:
            return root_of(self._block(start // FAN)[start % FAN : start % FAN + size])
        assignments_per_node = FAN**level
        return root_of(self._nodes(level, start // assignments_per_node, stop // assignments_per_node))

    def _block(self, number: int) -> list[bytes]:
        """The leaf hashes of 256 assignments, cached."""
        if number not in self._blocks:
            leaves = self._leaves(number * FAN, (number + 1) * FAN)
            self._blocks[number] = leaf_hashes(leaves)
        return self._blocks[number]


def nodes_over(first_level: Sequence[bytes]) -> list[TreeNode]:
    """All hashes that a log stores, level by level, computed from its hashes of level 1."""
    nodes: list[TreeNode] = []
    level, hashes = 1, list(first_level)
    while hashes:
        nodes += [TreeNode(level, number, node) for number, node in enumerate(hashes)]
        covered = len(hashes) // FAN * FAN
        level, hashes = level + 1, [root_of(hashes[start : start + FAN]) for start in range(0, covered, FAN)]
    return nodes
