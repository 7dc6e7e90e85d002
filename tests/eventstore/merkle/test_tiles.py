"""The tree over a log, built by appending and read back from the stored hashes."""

from hashlib import sha256

import pytest

from eventstore.merkle.rfc9162 import (
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
)
from eventstore.merkle.tiles import FAN, StoredTree, TreeBuilder, TreeNode, nodes_over


class StoredLog:
    """A log's assignment ids, and the hashes of its tree that it stores."""

    def __init__(self, size: int) -> None:
        self.entries = [sha256(b"%d" % number).digest() for number in range(size)]
        self.nodes: list[TreeNode] = []
        self.builder = TreeBuilder()
        for entry in self.entries:
            self.nodes += self.builder.append(entry)
        self.tree = StoredTree(self.leaves, self.nodes_of_level)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return self.entries[start:stop]

    def nodes_of_level(self, level: int, start: int, stop: int) -> list[bytes]:
        return [node.hash for node in sorted(self.nodes) if node.level == level and start <= node.number < stop]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700, FAN * FAN - 1, FAN * FAN, FAN * FAN + FAN + 1])
def test_a_tree_grown_by_one_after_the_other_and_one_read_from_what_is_kept_have_the_root_of_the_definition(
    size: int,
) -> None:
    log = StoredLog(size)
    root = root_of([leaf_hash(entry) for entry in log.entries])
    assert log.tree.root(size) == root
    assert sorted(log.nodes) == nodes_over(log.nodes_of_level(1, 0, size))


@pytest.mark.parametrize("size", [1, 300, 512, FAN * FAN, FAN * FAN + 513])
def test_a_builder_that_starts_at_the_end_of_a_log_goes_on_as_one_that_never_stopped(size: int) -> None:
    log, more = StoredLog(size), [b"more %d" % number for number in range(600)]
    resumed = TreeBuilder.at(size, log.leaves, log.nodes_of_level)
    assert [log.builder.append(entry) for entry in more] == [resumed.append(entry) for entry in more]


def test_proofs_from_what_is_kept_hold() -> None:
    size = FAN * FAN + 700
    log = StoredLog(size)
    root = log.tree.root(size)
    for index in (0, 1, 255, 256, 40_000, FAN * FAN - 1, FAN * FAN, size - 1):
        path = inclusion_path(index, size, log.tree.subtree)
        check_inclusion(leaf_hash(log.entries[index]), index, size, path, root)
    for old_size in (0, 1, 256, 300, 40_000, FAN * FAN, FAN * FAN + 1, size):
        path = consistency_path(old_size, size, log.tree.subtree)
        check_consistency(old_size, log.tree.root(old_size), size, root, path)
