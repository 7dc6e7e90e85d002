"""RFC 9162, section 2.1, held against its own definition, spelled out naively here."""

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eventstore.merkle.rfc9162 import (
    EMPTY_ROOT,
    ProofInvalid,
    check_consistency,
    check_inclusion,
    consistency_path,
    fold,
    inclusion_path,
    leaf_hash,
)
from eventstore.merkle.tiles import FAN, StoredTree, TreeBuilder, TreeNode, nodes_over

SIZES = st.integers(1, 70)


def leaves(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def tree_hash(entries: list[bytes]) -> bytes:
    """The definition of 2.1.1."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\1" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def inclusion(place: int, entries: list[bytes]) -> list[bytes]:
    return inclusion_path(place, len(entries), lambda start, stop: tree_hash(entries[start:stop]))


def consistency(old: int, entries: list[bytes]) -> list[bytes]:
    return consistency_path(old, len(entries), lambda start, stop: tree_hash(entries[start:stop]))


def test_the_roots_exists_from_certificate_transparencys_own_tests() -> None:
    entries = [
        bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "60" * 16)
    ]
    entries[-1] = bytes(range(0x60, 0x70))
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        assert fold([leaf_hash(entry) for entry in entries[:size]]).hex() == root
    assert fold([]) == EMPTY_ROOT


@given(size=st.integers(0, 70))
def test_a_root_is_as_defined(size: int) -> None:
    assert fold([leaf_hash(entry) for entry in leaves(size)]) == tree_hash(leaves(size))


@given(size=SIZES, data=st.data())
def test_every_entry_is_proven_to_be_where_it_is_and_nowhere_else(size: int, data: st.DataObject) -> None:
    place, entries = data.draw(st.integers(0, size - 1)), leaves(size)
    root, path, leaf = tree_hash(entries), inclusion(place, entries), leaf_hash(entries[place])
    check_inclusion(leaf, place, size, path, root)
    elsewhere = data.draw(st.integers(-1, size))
    if elsewhere != place:
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf, elsewhere, size, path, root)
    with pytest.raises(ProofInvalid):
        check_inclusion(leaf_hash(b"other"), place, size, path, root)
    for wrong in ([*path, root], path[:-1], [root, *path], path[::-1]):
        if wrong != path:
            with pytest.raises(ProofInvalid):
                check_inclusion(leaf, place, size, wrong, root)


@given(size=SIZES, data=st.data())
def test_every_older_tree_is_proven_to_be_the_beginning_of_a_newer_one(size: int, data: st.DataObject) -> None:
    old, entries = data.draw(st.integers(0, size)), leaves(size)
    old_root, root, path = tree_hash(entries[:old]), tree_hash(entries), consistency(old, entries)
    check_consistency(old, old_root, size, root, path)
    forged = tree_hash([*entries[: old - 1], b"forged"]) if old else tree_hash([b"forged"])
    with pytest.raises(ProofInvalid):
        check_consistency(old, forged, size, root, path)
    for wrong in ([*path, root], path[:-1]):
        if wrong != path:
            with pytest.raises(ProofInvalid):
                check_consistency(old, old_root, size, root, wrong)


@given(size=SIZES, data=st.data())
def test_a_bit_of_a_proof_that_is_flipped_breaks_it(size: int, data: st.DataObject) -> None:
    old, entries = data.draw(st.integers(1, size)), leaves(size)
    path = consistency(old, entries)
    assume(path)
    which, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    flipped = bytearray(path[which])
    flipped[bit // 8] ^= 1 << bit % 8
    path[which] = bytes(flipped)
    with pytest.raises(ProofInvalid):
        check_consistency(old, tree_hash(entries[:old]), size, tree_hash(entries), path)


class Kept:
    """What a log keeps of a tree."""

    def __init__(self, size: int) -> None:
        self.entries = [sha256(b"%d" % number).digest() for number in range(size)]
        self.nodes: list[TreeNode] = []
        self.builder = TreeBuilder()
        for entry in self.entries:
            self.nodes += self.builder.append(entry)
        self.tree = StoredTree(self.leaves, self.of_level)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return self.entries[start:stop]

    def of_level(self, level: int, start: int, stop: int) -> list[bytes]:
        return [node.hash for node in sorted(self.nodes) if node.level == level and start <= node.number < stop]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700, FAN * FAN - 1, FAN * FAN, FAN * FAN + FAN + 1])
def test_a_tree_grown_by_one_after_the_other_and_one_read_from_what_is_kept_have_the_root_of_the_definition(
    size: int,
) -> None:
    kept = Kept(size)
    root = fold([leaf_hash(entry) for entry in kept.entries])
    assert kept.tree.root(size) == root
    assert sorted(kept.nodes) == nodes_over(kept.of_level(1, 0, size))


@pytest.mark.parametrize("size", [1, 300, 512, FAN * FAN, FAN * FAN + 513])
def test_a_builder_that_starts_at_the_end_of_a_log_goes_on_as_one_that_never_stopped(size: int) -> None:
    kept, more = Kept(size), [b"more %d" % number for number in range(600)]
    again = TreeBuilder.at(size, kept.leaves, kept.of_level)
    assert [kept.builder.append(entry) for entry in more] == [again.append(entry) for entry in more]


def test_proofs_from_what_is_kept_hold() -> None:
    size = FAN * FAN + 700
    kept = Kept(size)
    root = kept.tree.root(size)
    for place in (0, 1, 255, 256, 40_000, FAN * FAN - 1, FAN * FAN, size - 1):
        path = inclusion_path(place, size, kept.tree.subtree)
        check_inclusion(leaf_hash(kept.entries[place]), place, size, path, root)
    for old in (0, 1, 256, 300, 40_000, FAN * FAN, FAN * FAN + 1, size):
        path = consistency_path(old, size, kept.tree.subtree)
        check_consistency(old, kept.tree.root(old), size, root, path)
