"""The contract of ``LogFile`` beyond ``CommitLog``: index, evidence and partition scan of every engine."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from eventstore import Assignment, Head, LogFile, Sequencer, read_log
from eventstore.merkle.rfc9162 import leaf_hashes, root_of
from eventstore.merkle.tiles import FAN, nodes_over
from eventstore.records import ID_START
from eventstore.replay.partitioned import GENESIS_ROW, LogTail, Partition
from tests.eventstore.conformance.engines import ENGINES, Engine
from tests.eventstore.logs import an_id, append, message

PROCESSES = 3
COUNT = 2 * FAN + 100


def history() -> list[Assignment]:
    """Rows of a few processes; every third external message causes two more."""
    sequencer, rows = Sequencer(), []
    while len(rows) < COUNT:
        number = len(rows)
        rows.append(sequencer.assign(message(number, process=number % PROCESSES), 1000 + number))
        if number >= PROCESSES and number % 3 == 0:
            parent = rows[-1].sequence
            for child in (number + 1, number + 2):
                rows.append(sequencer.assign(message(child, process=child % PROCESSES, parent=parent), 1000 + number))
    return rows


ROWS = history()
IDS = sorted({row.process for row in ROWS})


@pytest.fixture(params=[name for name in ENGINES if name != "memory"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def log(engine: Engine) -> Iterator[LogFile]:
    """A log with all rows, open for reading while its writer has it open."""
    writer = engine.open()
    for start in range(0, len(ROWS), 150):
        append(writer, ROWS[start : start + 150], expected=start)
    reader = cast("LogFile", engine.open_reader())
    yield reader
    for opened in (reader, writer):
        opened.close()


def of(process: str) -> list[Assignment]:
    return [row for row in ROWS if row.process == process]


def test_messages_are_found_by_their_ids(log: LogFile) -> None:
    ids = [row.message.id for row in ROWS]
    assert [log.find(message_id) for message_id in ids] == ROWS
    assert log.find(an_id("nothing")) is None
    assert log.existing_ids([ids[0], an_id("nothing"), ids[-1]]) == {ids[0], ids[-1]}
    assert sorted(start for starts in log.id_prefixes() for start in starts) == sorted(id_[:ID_START] for id_ in ids)


def test_messages_are_found_by_their_parents(log: LogFile) -> None:
    for row in ROWS:
        assert log.children(row.sequence) == [child for child in ROWS if child.message.parent == row.sequence]


def test_histories_are_read_by_process_and_slot(log: LogFile) -> None:
    assert list(log.processes()) == [row.process for row in ROWS if row.slot == 0]
    for process in IDS:
        rows = of(process)
        assert list(log.read_process(process)) == rows
        assert list(log.read_process(process, from_slot=5, limit=7)) == rows[5:12]
        assert log.payloads(process, [3, 1]) == [rows[3].message.data, rows[1].message.data]
        for row in rows[:20]:
            assert log.sequence_of(process, row.slot) == row.sequence
            assert log.sequence_of(process, row.slot, assignment_id=row.log_chain) == row.sequence
            assert log.sequence_of(process, row.slot, assignment_id=bytes(32)) is None
        head = log.process_head(process, until=rows[9].sequence)
        assert head is not None
        assert (head.slot, head.chain, head.assignment_id) == (9, rows[9].process_chain, rows[9].log_chain)
        assert log.process_head(process, until=rows[0].sequence - 1) is None
        assert log.sequence_of(process, len(rows)) is None
        with pytest.raises(LookupError):
            log.payloads(process, [len(rows)])
    assert list(log.read_process(an_id("nothing"))) == []


def test_the_tree_is_over_the_log_chains(log: LogFile) -> None:
    chains = [row.log_chain for row in ROWS]
    assert log.leaves(10, 20) == chains[10:20]
    blocks = [root_of(leaf_hashes(chains[start : start + FAN])) for start in range(0, len(ROWS) - FAN + 1, FAN)]
    assert list(log.tree_nodes()) == nodes_over(blocks)
    for size in (1, FAN - 1, FAN, len(ROWS)):
        assert log.tree().root(size) == root_of(leaf_hashes(chains[:size]))
    assert log.has_head(Head.at(ROWS[40]))
    assert not log.has_head(Head(41, bytes(32)))
    assert not log.has_head(Head(len(ROWS) + 1, bytes(32)))


def test_the_index_has_no_fault(log: LogFile) -> None:
    assert log.unindexed_row(len(ROWS)) is None
    assert log.bad_index_entry() is None


@pytest.mark.parametrize("check_index", [False, True])
def test_partitions_are_read_with_the_row_before_each(log: LogFile, check_index: bool) -> None:
    before = [GENESIS_ROW, *((row.sequence, row.timestamp, row.log_chain, row.message.parent) for row in ROWS)]
    until = len(ROWS) - 10
    for partition in Partition.split(log.sample(100, until=until), 2):
        found = list(log.read_partition(partition, until=until, check_index=check_index))
        due = [row for row in ROWS[:until] if partition.contains(row.process)]
        assert [row for _, _, row in found] == due
        assert [preceding for preceding, _, _ in found] == [before[row.sequence - 1] for row in due]
        if check_index:
            assert [spawn for _, spawn, _ in found] == [log.sequence_of(row.process, 0) for row in due]


def test_runs_and_the_end_are_found(log: LogFile) -> None:
    assert len(log.sample(100, until=len(ROWS))) >= 100
    starts = [1]
    for row, following in pairwise(ROWS):
        same = row.message.parent == following.message.parent
        starts.append(starts[-1] if same else following.sequence)
    assert [log.first_of_run(row.sequence) for row in ROWS] == starts
    for until in (1, 5, 6, 100, len(ROWS)):
        rows = ROWS[:until]
        external = [row.sequence for row in rows if row.message.parent is None]
        internal = [row.message.parent for row in rows if row.message.parent is not None]
        assert log.tail(until) == LogTail(external[-1], (internal or [0])[-1] or 0)
    for process in IDS:
        assert log.exists_from(process) == of(process)[0].sequence
    assert log.exists_from(an_id("nothing")) is None


def test_checkpoints_are_kept_in_order_and_only_further_signatures_replace_one(engine: Engine) -> None:
    log = cast("LogFile", engine.open())
    append(log, ROWS[:20], expected=0)
    for sequence, note in ((20, "later"), (10, "earlier"), (20, "another longer one")):
        log.store_checkpoint(sequence, note)
    reader = cast("LogFile", engine.open_reader())
    assert reader.checkpoints() == log.checkpoints() == ["earlier", "later"]
    for note in ("later, cosigned", "later"):
        log.store_checkpoint(20, note)
    assert reader.checkpoints() == log.checkpoints() == ["earlier", "later, cosigned"]
    assert not log.is_excerpt
    log.mark_excerpt()
    assert log.is_excerpt
    for opened in (reader, log):
        opened.close()


def test_a_location_opens_the_same_log_again(log: LogFile) -> None:
    again = read_log(log.location)
    assert (again.location, again.head()) == (log.location, log.head())
    again.close()
