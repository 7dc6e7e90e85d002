"""The Merkle tree of RFC 9162, section 2.1: a root hash over a list, with short proofs about the list.

A verifier that has only a root hash can check that an entry is in the list (inclusion), and that a longer list starts
with a shorter one (consistency).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""Returns the hash over the leaves with ``start <= index < stop``."""


class ProofInvalid(Exception):
    """A proof does not prove its claim."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\0" + leaf).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """The hashes of entries. It repeats the expression of ``leaf_hash``, because a call per entry takes time."""
    return [sha256(b"\0" + leaf).digest() for leaf in leaves]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node with two subtrees."""
    return sha256(b"\1" + left + right).digest()


def root_of(nodes: Sequence[bytes]) -> bytes:
    """The root over adjacent subtrees of equal size; only the last subtree may be smaller."""
    level = list(nodes)
    while len(level) > 1:
        parents = [sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = [*parents, level[-1]] if len(level) % 2 else parents
    return level[0] if level else EMPTY_ROOT


def split_point(size: int) -> int:
    """The size of a tree's left subtree: the largest power of two below the tree's size (``k`` in RFC 9162)."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The inclusion proof of a leaf, from the bottom up (2.1.3.1).

    Args:
        index: of the leaf, from 0.
        size: number of leaves in the tree.
        subtree: returns hashes of parts of the tree.
    """
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + split_point(stop - start)
        if index < middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old_size: int, size: int, subtree: Subtree) -> list[bytes]:
    """The proof that a tree starts with the first ``old_size`` of its ``size`` leaves (2.1.4.1).

    The path is empty if both sizes are equal or ``old_size`` is 0.
    """
    path: list[bytes] = []
    start, stop, is_old_tree = 0, size, True
    while 0 < old_size < stop:
        middle = start + split_point(stop - start)
        if old_size <= middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start, is_old_tree = middle, False
    if old_size and not is_old_tree:  # a verifier already has the hash of the whole old tree: its root
        path.append(subtree(start, stop))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a tree has a leaf at an index (2.1.3.2).

    Args:
        leaf: the leaf's hash.
        index: of the leaf, from 0.
        size: number of leaves in the tree.
        path: the inclusion proof.
        root: of the tree.

    Raises:
        ProofInvalid: the path does not prove it.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"index {index} lies outside of a tree of {size} leaves")
    node, last_node, computed = index, size - 1, leaf
    for sibling in path:
        if last_node == 0:
            raise ProofInvalid("the path is too long")
        if node % 2 or node == last_node:
            computed = node_hash(sibling, computed)
            while node % 2 == 0 and node:
                node, last_node = node >> 1, last_node >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last_node = node >> 1, last_node >> 1
    if last_node or computed != root:
        raise ProofInvalid("the path does not lead from the event to the checkpoint's root")


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Check that a tree starts with the leaves of an older tree (2.1.4.2).

    Raises:
        ProofInvalid: the path does not prove it.
    """
    if old_size > size:
        raise ProofInvalid(f"the older tree has {old_size} leaves, the newer one {size}")
    if old_size in (0, size):
        if path or old_root != (EMPTY_ROOT if old_size == 0 else root):
            raise ProofInvalid("the roots do not belong together")
        return
    node, last_node, hashes = old_size - 1, size - 1, list(path)
    while node % 2:
        node, last_node = node >> 1, last_node >> 1
    if not node:  # the older tree is a complete subtree of the newer one, so its root is the first hash
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofInvalid("the path is empty")
    old_computed = computed = hashes[0]
    for sibling in hashes[1:]:
        if last_node == 0:
            raise ProofInvalid("the path is too long")
        if node % 2 or node == last_node:
            old_computed, computed = node_hash(sibling, old_computed), node_hash(sibling, computed)
            while node % 2 == 0 and node:
                node, last_node = node >> 1, last_node >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last_node = node >> 1, last_node >> 1
    if last_node or old_computed != old_root or computed != root:
        raise ProofInvalid("the newer tree does not begin with the older one")
