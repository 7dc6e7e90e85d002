import threading

from actors.node.writer_thread import Append, Writer
from eventstore import Assignment, EventStoreError, Head, LogFailed
from tests.eventstore.logs import assignments


class GatedLog:
    """A log whose commits wait until the test lets them pass."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.batches: list[list[Assignment]] = []
        self.error: EventStoreError | None = None

    def append(self, batch: list[Assignment], *, expected: int) -> Head:
        self.gate.acquire()
        if self.error:
            raise self.error
        assert expected == sum(map(len, self.batches))
        self.batches.append(batch)
        return Head(batch[-1].sequence, batch[-1].log_chain)


def test_a_batch_is_called_done_only_after_it_was_appended() -> None:
    log, batch, done = GatedLog(), assignments(6), []
    writer = Writer.start(log)
    writer.tell(Append(batch[:4], 0, done.append))
    writer.tell(Append(batch[4:], 4, done.append))
    assert done == []
    log.gate.release(2)
    writer.stop()
    assert done == [None, None]
    assert log.batches == [batch[:4], batch[4:]]


def test_a_batch_that_failed_is_called_done_with_its_error_and_the_writer_lives_on() -> None:
    log, done = GatedLog(), []
    log.error = LogFailed("disk full")
    log.gate.release()
    writer = Writer.start(log)
    writer.tell(Append(assignments(2), 0, done.append))
    writer.stop()
    assert done == [log.error]
