"""The Merkle tree of RFC 9162, section 2.1, compared with a direct transcription of the RFC's definition."""

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
    inclusion_path,
    leaf_hash,
    root_of,
)

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


def inclusion(index: int, entries: list[bytes]) -> list[bytes]:
    return inclusion_path(index, len(entries), lambda start, stop: tree_hash(entries[start:stop]))


def consistency(old_size: int, entries: list[bytes]) -> list[bytes]:
    return consistency_path(old_size, len(entries), lambda start, stop: tree_hash(entries[start:stop]))


def test_the_roots_known_from_certificate_transparencys_own_tests() -> None:
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
        assert root_of([leaf_hash(entry) for entry in entries[:size]]).hex() == root
    assert root_of([]) == EMPTY_ROOT


@given(size=st.integers(0, 70))
def test_a_root_is_as_defined(size: int) -> None:
    assert root_of([leaf_hash(entry) for entry in leaves(size)]) == tree_hash(leaves(size))


@given(size=SIZES, data=st.data())
def test_every_entry_is_proven_to_be_where_it_is_and_nowhere_else(size: int, data: st.DataObject) -> None:
    index, entries = data.draw(st.integers(0, size - 1)), leaves(size)
    root, path, leaf = tree_hash(entries), inclusion(index, entries), leaf_hash(entries[index])
    check_inclusion(leaf, index, size, path, root)
    elsewhere = data.draw(st.integers(-1, size))
    if elsewhere != index:
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf, elsewhere, size, path, root)
    with pytest.raises(ProofInvalid):
        check_inclusion(leaf_hash(b"other"), index, size, path, root)
    for wrong in ([*path, root], path[:-1], [root, *path], path[::-1]):
        if wrong != path:
            with pytest.raises(ProofInvalid):
                check_inclusion(leaf, index, size, wrong, root)


@given(size=SIZES, data=st.data())
def test_every_older_tree_is_proven_to_be_the_beginning_of_a_newer_one(size: int, data: st.DataObject) -> None:
    old_size, entries = data.draw(st.integers(0, size)), leaves(size)
    old_root, root, path = tree_hash(entries[:old_size]), tree_hash(entries), consistency(old_size, entries)
    check_consistency(old_size, old_root, size, root, path)
    forged = tree_hash([*entries[: old_size - 1], b"forged"]) if old_size else tree_hash([b"forged"])
    with pytest.raises(ProofInvalid):
        check_consistency(old_size, forged, size, root, path)
    for wrong in ([*path, root], path[:-1]):
        if wrong != path:
            with pytest.raises(ProofInvalid):
                check_consistency(old_size, old_root, size, root, wrong)


@given(size=SIZES, data=st.data())
def test_a_bit_of_a_proof_that_is_flipped_breaks_it(size: int, data: st.DataObject) -> None:
    old_size, entries = data.draw(st.integers(1, size)), leaves(size)
    path = consistency(old_size, entries)
    assume(path)
    position, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    flipped = bytearray(path[position])
    flipped[bit // 8] ^= 1 << bit % 8
    path[position] = bytes(flipped)
    with pytest.raises(ProofInvalid):
        check_consistency(old_size, tree_hash(entries[:old_size]), size, tree_hash(entries), path)
