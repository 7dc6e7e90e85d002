"""The published test vectors of the Certificate Transparency reference implementations. Each file names its source."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from eventstore.merkle.rfc9162 import (
    EMPTY_ROOT,
    ProofInvalid,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    leaf_hashes,
    node_hash,
    root_of,
)
from eventstore.merkle.tiles import StoredTree, TreeBuilder

VECTORS = Path(__file__).parent / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


TREE = load("reference_tree.json")
LEAVES = [bytes.fromhex(leaf) for leaf in TREE["leaves"]]
ROOTS = [bytes.fromhex(root) for root in TREE["roots"]]
PROBES = load("proof_probes.json")


def stored_tree(leaves: list[bytes]) -> StoredTree:
    """The tree as a log of these assignment ids reads it. A log this short stores no hashes."""
    return StoredTree(lambda start, stop: leaves[start:stop], lambda level, start, stop: [])


def decoded(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in hashes]


def test_the_empty_tree_has_the_published_root() -> None:
    assert ROOTS[0] == EMPTY_ROOT == root_of([]) == stored_tree([]).root(0)


@pytest.mark.parametrize("size", range(1, 9))
def test_each_size_of_the_reference_tree_has_the_published_root(size: int) -> None:
    assert root_of(leaf_hashes(LEAVES[:size])) == ROOTS[size]
    assert stored_tree(LEAVES).root(size) == ROOTS[size]


def test_each_subtree_of_the_reference_tree_has_the_published_hash() -> None:
    tree = stored_tree(LEAVES)
    for level, hashes in enumerate(TREE["nodes"]):
        for number, text in enumerate(hashes):
            start, stop = number << level, (number + 1) << level
            assert tree.subtree(start, stop).hex() == text
            assert root_of(leaf_hashes(LEAVES[start:stop])).hex() == text
    for below, above in zip(TREE["nodes"], TREE["nodes"][1:], strict=False):
        pairs = zip(decoded(below[::2]), decoded(below[1::2]), strict=True)
        assert [node_hash(left, right).hex() for left, right in pairs] == above


@pytest.mark.parametrize("proof", TREE["inclusion"], ids=lambda proof: f"{proof['index']} of {proof['size']}")
def test_inclusion_proofs_are_the_published_ones(proof: dict[str, Any]) -> None:
    index, size, path = proof["index"], proof["size"], decoded(proof["path"])
    assert inclusion_path(index, size, stored_tree(LEAVES).subtree) == path
    check_inclusion(leaf_hash(LEAVES[index]), index, size, path, ROOTS[size])


@pytest.mark.parametrize("proof", TREE["consistency"], ids=lambda proof: f"{proof['old_size']} to {proof['size']}")
def test_consistency_proofs_are_the_published_ones(proof: dict[str, Any]) -> None:
    old_size, size, path = proof["old_size"], proof["size"], decoded(proof["path"])
    assert consistency_path(old_size, size, stored_tree(LEAVES).subtree) == path
    check_consistency(old_size, ROOTS[old_size], size, ROOTS[size], path)


@pytest.mark.parametrize("probe", PROBES["inclusion"], ids=lambda probe: probe["file"])
def test_inclusion_probes_have_the_published_verdict(probe: dict[str, Any]) -> None:
    leaf, root, path = b64decode(probe["leafHash"]), b64decode(probe["root"]), [*map(b64decode, probe["proof"])]
    if probe["wantErr"]:
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf, probe["leafIdx"], probe["treeSize"], path, root)
    else:
        check_inclusion(leaf, probe["leafIdx"], probe["treeSize"], path, root)


@pytest.mark.parametrize("probe", PROBES["consistency"], ids=lambda probe: probe["file"])
def test_consistency_probes_have_the_published_verdict(probe: dict[str, Any]) -> None:
    old_root, root, path = b64decode(probe["root1"]), b64decode(probe["root2"]), [*map(b64decode, probe["proof"])]
    if probe["wantErr"]:
        with pytest.raises(ProofInvalid):
            check_consistency(probe["size1"], old_root, probe["size2"], root, path)
    else:
        check_consistency(probe["size1"], old_root, probe["size2"], root, path)


def test_a_builder_stores_the_root_of_the_reference_tree_when_its_subtree_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventstore.merkle.tiles.FAN", 2)
    builder = TreeBuilder()
    nodes = [node for leaf in LEAVES for node in builder.append(leaf)]
    stored = [[node.hash.hex() for node in nodes if node.level == level] for level in (1, 2, 3)]
    assert stored == TREE["nodes"][1:]
