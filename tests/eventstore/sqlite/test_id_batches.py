"""The table of ids contains all but the newest ids of a log, whatever the log's length."""

from hypothesis import given
from hypothesis import strategies as st

from eventstore.merkle.tiles import FAN
from eventstore.records import ID_START
from eventstore.sqlite.id_batches import ID_BATCH_ROWS_MAX, IdBatches, id_batch_of, indexed_up_to
from tests.eventstore.logs import an_id


@given(st.integers(0, 10**12))
def test_chunks_follow_one_another_and_end_with_subtrees(position: int) -> None:
    start, length = id_batch_of(position)
    assert start <= position < start + length
    assert start % FAN == length % FAN == 0
    assert length <= ID_BATCH_ROWS_MAX
    assert id_batch_of(start) == id_batch_of(start + length - 1) == (start, length)
    assert id_batch_of(start + length)[0] == start + length


@given(st.integers(0, 10**12))
def test_all_but_two_chunks_are_in_the_table_and_few_beside_a_long_log(rows: int) -> None:
    newest = rows - indexed_up_to(rows)
    assert 0 <= newest <= max(2 * FAN, min(rows // 8, 2 * ID_BATCH_ROWS_MAX))
    assert indexed_up_to(rows + 1) >= indexed_up_to(rows)


@given(st.integers(FAN, 40_000), st.integers(1, 3))
def test_with_every_subtree_as_many_come_into_the_table_as_are_due(start: int, subtrees: int) -> None:
    start -= start % FAN
    ids = [(an_id(sequence), sequence) for sequence in range(indexed_up_to(start) + 1, start + subtrees * FAN + 1)]
    batches = IdBatches(start, [(message_id, sequence) for message_id, sequence in ids if sequence <= start])
    entries = set(batches.indexed_entries())
    for end in range(start + FAN, start + subtrees * FAN + 1, FAN):
        entries |= set(batches.extend([message_id for message_id, sequence in ids if end - FAN < sequence <= end]))
    all_indexed = indexed_up_to(batches.rows)
    first = indexed_up_to(start) + 1
    assert {sequence for _, sequence in entries if sequence <= all_indexed} == set(range(first, all_indexed + 1))
    assert {entry for entry in entries if entry[1] > all_indexed} == set(batches.indexed_entries())
    assert entries <= {(message_id[:ID_START], sequence) for message_id, sequence in ids}
