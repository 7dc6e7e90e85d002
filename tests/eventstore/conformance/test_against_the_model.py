"""A state machine drives each engine together with the in-memory model. Their results must never differ."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventstore import Assignment, CommitLog, EventStoreError, Sequencer
from eventstore.commit_log import Lease
from eventstore.memory.commit_log import MemoryCommitLog
from tests.eventstore.conformance.engines import ENGINES
from tests.eventstore.logs import assignments


class Machine(RuleBasedStateMachine):
    """Appends, crashes, reopens, reads and follows, with right and wrong positions and epochs."""

    engine_name: str

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.engine = ENGINES[self.engine_name](Path(self.folder.name))
        self.log: CommitLog | None = self.engine.open()
        self.model = MemoryCommitLog()
        self.sequencer = Sequencer()
        self.leases: list[tuple[Lease, Lease]] = [(self.log.take_lease("a"), self.model.take_lease("a"))]
        self.loop = asyncio.new_event_loop()
        self.readers: list[CommitLog] = []
        self.followers: list[tuple[AsyncIterator[Sequence[Assignment]], list[int]]] = []

    @precondition(lambda self: self.log is not None)
    @rule(size=st.integers(1, 300), lease=st.integers(0, 3), off=st.sampled_from([0, 0, 0, 0, 1, -1]))
    def append(self, size: int, lease: int, off: int) -> None:
        """Append the next rows, under the newest lease or an older one, at the correct position or a wrong one."""
        assert self.log is not None
        lease_of_log, lease_of_model = self.leases[max(0, len(self.leases) - 1 - lease)]
        ahead = Sequencer()
        ahead.sequence, ahead.timestamp, ahead.log_chain = (
            self.sequencer.sequence,
            self.sequencer.timestamp,
            self.sequencer.log_chain,
        )
        ahead.processes = {process: _copied(head) for process, head in self.sequencer.processes.items()}
        batch = assignments(size, sequencer=ahead)
        expected = self.sequencer.sequence + off
        result = outcome(lambda log: log.append(batch, expected=expected, epoch=lease_of_log.epoch), self.log)
        expected_result = outcome(
            lambda log: log.append(batch, expected=expected, epoch=lease_of_model.epoch), self.model
        )
        assert result == expected_result
        if not isinstance(expected_result, type):
            self.sequencer = ahead

    @precondition(lambda self: self.log is not None)
    @rule()
    def take_lease(self) -> None:
        assert self.log is not None
        self.leases.append((self.log.take_lease("b"), self.model.take_lease("b")))

    @precondition(lambda self: self.log is not None)
    @rule(kill=st.booleans())
    def stop(self, kill: bool) -> None:
        """The writer ends: it is closed, or it crashes."""
        assert self.log is not None
        if kill:
            self.engine.crash(self.log)
        elif self.engine_name != "memory":  # an in-memory log does not survive its close
            self.log.close()
        self.log = None

    @precondition(lambda self: self.log is None)
    @rule()
    def open_again(self) -> None:
        self.log = self.engine.open()
        self.take_lease()

    @rule(after=st.integers(0, 50))
    def start_following(self, after: int) -> None:
        reader = self.engine.open_reader()
        self.readers.append(reader)
        self.followers.append((reader.follow(after=after), [after]))

    @rule(data=st.data())
    def follow(self, data: Any) -> None:
        """Take the next batch, unless there is none: then the follower would wait."""
        for iterator, ends in self.followers:
            if ends[-1] < self.model.head().sequence:
                batch = self.loop.run_until_complete(_next(iterator))
                assert [row.sequence for row in batch] == list(range(ends[-1] + 1, batch[-1].sequence + 1))
                ends.append(batch[-1].sequence)

    @precondition(lambda self: self.log is not None)
    @rule(after=st.integers(0, 900), count=st.integers(0, 900))
    def read_part(self, after: int, count: int) -> None:
        assert self.log is not None
        assert list(self.log.read(after=after, until=after + count)) == list(
            self.model.read(after=after, until=after + count)
        )

    @invariant()
    def heads_agree(self) -> None:
        if getattr(self, "log", None) is not None:
            assert self.log.head() == self.model.head()  # type: ignore[union-attr]

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        log = self.log or self.engine.open()
        assert list(log.read()) == list(self.model.read())
        for iterator, _ in self.followers:
            self.loop.run_until_complete(iterator.aclose())  # type: ignore[attr-defined]
        for opened in (*self.readers, log):
            opened.close()
        self.loop.close()
        self.folder.cleanup()


def outcome(action: Any, log: CommitLog) -> Any:
    """What an action returns, or the type of its error."""
    try:
        return action(log)
    except EventStoreError as error:
        return type(error)


async def _next(iterator: AsyncIterator[Sequence[Assignment]]) -> Sequence[Assignment]:
    return await anext(iterator)


def _copied(head: Any) -> Any:
    return type(head)(head.slot, head.chain, head.assignment_id)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_does_what_the_model_does(engine: str) -> None:
    machine = type(f"{engine.title()}Machine", (Machine,), {"engine_name": engine})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))
