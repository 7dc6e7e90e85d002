from typing import NamedTuple

import pytest

from eventstore import Assignment, LogFault, Message, Replay, Sequencer
from tests.eventstore.logs import message


class Evaluated(NamedTuple):
    outbox: list[Message]
    output: str | None = None
    error: str | None = None


def echo(assignment: Assignment) -> Evaluated:
    """Every external message sends two more."""
    if assignment.message.parent is not None:
        return Evaluated([], "inside")
    sequence = assignment.sequence
    return Evaluated([message(sequence * 100 + n, process=n, parent=sequence) for n in range(2)], "outside")


def log_of(count: int) -> list[Assignment]:
    sequencer, log = Sequencer(), []
    for number in range(count):
        first = sequencer.assign(message(number), 1)
        children = [sequencer.assign(child, 1) for child in echo(first).outbox]
        log += [first, *children]
    for assignment in log:
        assignment.output = echo(assignment).output
    return log


def test_a_log_that_follows_from_itself_replays() -> None:
    replay = Replay(echo)
    replay.follow(log_of(4))
    assert replay.sequencer.sequence == 12
    assert not replay.pending_outbox


def test_what_a_cut_off_log_still_has_to_send_is_kept_in_order() -> None:
    replay = Replay(echo)
    replay.follow(log_of(2)[:5])
    assert list(replay.pending_outbox) == [message(401, process=1, parent=4)]


def relinked(log: list[Assignment]) -> list[Assignment]:
    """The same messages with recomputed chains, as a forger would write them."""
    sequencer, forged = Sequencer(), []
    for assignment in log:
        copy = sequencer.assign(assignment.message, assignment.timestamp)
        copy.output, copy.error = assignment.output, assignment.error
        forged.append(copy)
    return forged


def test_a_message_that_nothing_sent_is_found() -> None:
    log = log_of(1)
    log.append(Sequencer().assign(message(777, parent=2), 1))
    log[-1].output = "inside"
    with pytest.raises(LogFault, match="a message that no evaluation sent"):
        Replay(echo).follow(relinked(log))


def test_messages_out_of_order_are_found() -> None:
    log = log_of(1)
    log[1], log[2] = log[2], log[1]
    with pytest.raises(LogFault, match="not the next message that was sent"):
        Replay(echo).follow(relinked(log))


def test_a_message_with_neither_parent_nor_signature_is_found() -> None:
    bare = Message("x", "s", message(0).target, "Test", "[]", b"")
    with pytest.raises(LogFault, match="neither a parent nor an envelope"):
        Replay(echo).follow([Sequencer().assign(bare, 1)])


@pytest.mark.parametrize("column", ["output", "error"])
def test_a_result_that_evaluation_does_not_give_is_found(column: str) -> None:
    log = log_of(1)
    setattr(log[2], column, "changed")
    with pytest.raises(LogFault, match=column) as fault:
        Replay(echo).follow(log)
    assert fault.value.sequence == 3
