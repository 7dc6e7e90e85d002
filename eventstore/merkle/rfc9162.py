"""The Merkle tree of RFC 9162, section 2.1: one hash for a whole list, and short proofs of what is in it.

With the tree's root somebody who has neither the log nor the node can check that an event is in it (inclusion), and
that a longer log begins with the shorter one that they knew (consistency).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""Gives the hash over the leaves from one place up to, not including, another."""


class ProofInvalid(Exception):
    """A proof does not prove what it says."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of one entry."""
    return sha256(b"\0" + leaf).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """Hashes of entries, without a call for each."""
    return [sha256(b"\0" + leaf).digest() for leaf in leaves]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees."""
    return sha256(b"\1" + left + right).digest()


def fold(nodes: Sequence[bytes]) -> bytes:
    """Root over neighbouring subtrees of one size, of which the last may be smaller."""
    level = list(nodes)
    while len(level) > 1:
        paired = [sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = [*paired, level[-1]] if len(level) % 2 else paired
    return level[0] if level else EMPTY_ROOT


def split(size: int) -> int:
    """The largest power of two below a size: where its tree is parted."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_path(place: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of a leaf, from the bottom up (2.1.3.1).

    Args:
        place: the leaf's, from 0.
        size: number of leaves.
        subtree: hashes of parts of the tree.
    """
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + split(stop - start)
        if place < middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """The proof that the first ``old`` of ``size`` leaves are an older tree's (2.1.4.1)."""
    path: list[bytes] = []
    start, stop, whole = 0, size, True
    while 0 < old < stop:
        middle = start + split(stop - start)
        if old <= middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start, whole = middle, False
    if old and not whole:
        path.append(subtree(start, stop))
    return path[::-1]


def check_inclusion(leaf: bytes, place: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf's hash stands at a place of a tree (2.1.3.2).

    Raises:
        ProofInvalid: it does not, or the path does not show it.
    """
    if not 0 <= place < size:
        raise ProofInvalid(f"place {place} lies outside of a tree of {size} leaves")
    low, last, computed = place, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofInvalid("the path is too long")
        if low % 2 or low == last:
            computed = node_hash(sibling, computed)
            while low % 2 == 0 and low:
                low, last = low >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        low, last = low >> 1, last >> 1
    if last or computed != root:
        raise ProofInvalid("the path does not lead from the event to the checkpoint's root")


def check_consistency(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Check that a tree begins with an older one (2.1.4.2).

    Raises:
        ProofInvalid: it does not, or the path does not show it.
    """
    if old > size:
        raise ProofInvalid(f"the older tree has {old} leaves, the newer one {size}")
    if old in (0, size):
        if path or old_root != (EMPTY_ROOT if old == 0 else root):
            raise ProofInvalid("the roots do not belong together")
        return
    low, last, hashes = old - 1, size - 1, list(path)
    while low % 2:
        low, last = low >> 1, last >> 1
    if not low:  # the older tree is a whole subtree of the newer one, so its root starts the path
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofInvalid("the path is empty")
    old_computed = computed = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofInvalid("the path is too long")
        if low % 2 or low == last:
            old_computed, computed = node_hash(sibling, old_computed), node_hash(sibling, computed)
            while low % 2 == 0 and low:
                low, last = low >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        low, last = low >> 1, last >> 1
    if last or old_computed != old_root or computed != root:
        raise ProofInvalid("the newer tree does not begin with the older one")
