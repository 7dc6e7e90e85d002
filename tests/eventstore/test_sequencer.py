from hashlib import sha256

import msgspec
import pytest

from eventstore import Assignment, LogFault, Sequencer
from eventstore.records import canonical_bytes, decode_id
from tests.eventstore.logs import an_id, assignments, message


def test_sequences_count_from_1_and_slots_from_0_without_a_gap() -> None:
    log = assignments(7, processes=2)
    assert [assignment.sequence for assignment in log] == [1, 2, 3, 4, 5, 6, 7]
    assert [assignment.slot for assignment in log] == [0, 0, 1, 1, 2, 2, 3]


def test_time_never_goes_back_whatever_the_clock_says() -> None:
    sequencer = Sequencer()
    times = [sequencer.assign(message(number), now).timestamp for number, now in enumerate((50, 40, 60, 60, 1))]
    assert times == [50, 50, 60, 60, 60]


def test_a_process_chain_is_the_one_that_aos_scheduler_keeps() -> None:
    log = assignments(5, processes=1)
    chain, before = sha256(decode_id(an_id("process 0"))).digest(), bytes(32)
    for event in log:
        assert event.process_chain == chain
        record = canonical_bytes((event.sequence, event.slot, event.timestamp, chain, before, event.message))
        before = sha256(record).digest()
        assert event.log_chain == before
        chain = sha256(before + chain).digest()


def test_what_was_assigned_is_accepted_by_another_sequencer() -> None:
    follower = Sequencer()
    log = assignments(20)
    for assignment in log:
        follower.verify_next(assignment)
    assert follower.log_chain == log[-1].log_chain


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sequence": 5}, "sequence"),
        ({"slot": 9}, "slot"),
        ({"timestamp": 1}, "timestamp goes back"),
        ({"timestamp": 5000}, "log chain"),
        ({"process_chain": bytes(32)}, "process chain"),
        ({"log_chain": bytes(32)}, "log chain"),
        ({"message": message(3, process=2)}, "process chain"),
        ({"message": message(9, process=0)}, "log chain"),
    ],
)
def test_an_assignment_that_cannot_be_next_is_named_with_what_was_due(change: dict[str, object], what: str) -> None:
    follower = Sequencer()
    log = assignments(4)
    for assignment in log[:3]:
        follower.verify_next(assignment)
    changed: Assignment = msgspec.structs.replace(log[3], **change)
    with pytest.raises(LogFault) as fault:
        follower.verify_next(changed)
    assert fault.value.what == what
