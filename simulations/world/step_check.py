"""Compares a running node with the reference model after each step, and lets people's keys open what the log holds.

A step is a set of messages that reach the node at the same virtual time, with everything that they cause. The check
reads the node through its public interface only, and appends nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from actors.node.node import Node
from actors.protocol.messages import Result
from eventstore import Assignment
from simulations.clients.user import User
from simulations.faults.crashable_node import CrashableNode
from simulations.faults.virtual_time import PendingRequest
from simulations.world.invariants import Finding, Journal
from simulations.world.model.model import Applied, Mismatch, Model, difference
from simulations.world.model.process import NotModelled, ProcessModel, Refused, View
from simulations.world.opened_messages import KeyFault, OpenedMessages

QUERIES_MAX = 512
"""Queries in flight."""
WHOLE_BYTES_MAX = 128 * 1024
"""A list up to this size is one answer. A longer one may end early: an answer has at most 256 KiB."""


class _Query(NamedTuple):
    process: ProcessModel
    view: View


class StepCheck:
    """Follows the log of a node with a model, and compares the node with it.

    Args:
        crashable: keeps the node.
        clock: gives the node's time in ms.
        people: open the keys that are sealed to them.

    Attributes:
        model: the model.
        compared: number of replies to queries that were compared.
    """

    def __init__(self, crashable: CrashableNode, clock: Callable[[], int], people: Sequence[User]) -> None:
        self._crashable, self._clock = crashable, clock
        self._opened = OpenedMessages(people)
        self._is_started = False
        self.model = Model()
        self.compared = 0

    async def check_step(
        self, requests: Sequence[PendingRequest], replies: Sequence[Result | BaseException], *, restarted: bool
    ) -> None:
        """Check a step at its end, when the node is quiescent.

        Args:
            requests: the queries and messages of the step, in the order in which they reached the node.
            replies: their replies.
            restarted: whether the node crashed in this step: then all processes are compared, not only those that the
                step touched.

        Raises:
            Finding: the node differs from the model.
        """
        for request, reply in zip(requests, replies, strict=True):
            if request.query is not None and isinstance(reply, Result):
                self._check_query(request, reply)
        self._check_rows(await self._new_rows(), requests, replies)
        await self._compare(whole=restarted)

    async def check_all(self, journal: Journal) -> None:
        """Compare all processes, and the journal of what people sent with what the log holds.

        Raises:
            Finding: the node differs from the model, or the journal from the log.
        """
        await self._compare(whole=True)
        for channel in journal.sent.values():
            for sent in channel:
                text = self._opened.texts.get(sent.message)
                if text is not None and text != sent.text:
                    raise Finding(f"the text of a message: {difference(sent.text, text)}", sent.message)

    def _check_query(self, request: PendingRequest, reply: Result) -> None:
        """Compare the reply to a person's query with the model as it was before the messages of the step."""
        assert request.query is not None
        process_id, action, data = request.query
        process = self.model.processes.get(process_id)
        if process is None:
            return
        body = msgspec.json.decode(data) if data else {}
        try:
            expected, error = process.query(action, body, self._clock()), None
        except Refused as refused:
            expected, error = {"status": "error", "message": str(refused)}, str(refused)
        except NotModelled as unknown:
            text = f"the query {action} of {self.model.name_of(process_id)}: the model does not know {unknown}"
            raise Finding(text, process=process_id) from unknown
        self._compare_reply(process, View(action, body, expected), reply, error)

    def _compare_reply(self, process: ProcessModel, view: View, reply: Result, error: str | None = None) -> None:
        self.compared += 1
        if reply.error == error and (reply.answer == view.reply or _is_page_of(reply.answer, view.reply)):
            return
        found = difference(view.reply, reply.answer)
        query = f"{view.action} {msgspec.json.encode(view.body).decode() if view.body else ''}".strip()
        text = f"{query} of {self.model.name_of(process.id)}: {found}"
        raise Finding(text, process=process.id, sequence=self.model.sequence)

    async def _new_rows(self) -> list[Assignment]:
        after = self.model.sequence
        if self._node.sequence == after:
            return []
        return await self._node.read(lambda log: list(log.read(after=after)))

    def _check_rows(
        self, rows: Iterable[Assignment], requests: Sequence[PendingRequest], replies: Sequence[Result | BaseException]
    ) -> None:
        """Apply the new part of the log to the model; compare it with what was sent and acknowledged."""
        applied: dict[str, Applied] = {}
        for row in rows:
            try:
                one = self.model.apply(row, self._clock())
                if row.error is None and one.process is not None:
                    self._opened.follow(one)
            except (Mismatch, KeyFault) as fault:
                raise Finding(str(fault), row.message.id, process=row.process, sequence=row.sequence) from fault
            if row.message.parent is None:
                applied[row.message.id] = one
        if self.model.missing:
            text, sender = f"the log lacks an effect: {self.model.missing}", self.model.missing_from
            raise Finding(text, process=sender, sequence=self.model.sequence)
        sent = dict.fromkeys(request.message_id for request in requests if request.message_id)
        expected = [id_ for id_ in sent if id_ in applied]
        if self._is_started and expected != list(applied):
            first = next(
                id_ for id_ in applied if id_ not in expected or expected.index(id_) != list(applied).index(id_)
            )
            raise Finding("the order of messages: expected the order in which they were sent", first)
        self._is_started = True
        for request, reply in zip(requests, replies, strict=True):
            if request.message_id and isinstance(reply, Result):
                self._check_acknowledgement(request.message_id, reply, applied.get(request.message_id))

    def _check_acknowledgement(self, message: str, reply: Result, applied: Applied | None) -> None:
        sequence = self.model.sequence_of.get(message)
        if sequence is None:
            raise Finding("a message that the node acknowledged is not in the log", message)
        if reply.sequence != sequence:
            raise Finding(f"the sequence in an acknowledgement: {difference(sequence, reply.sequence)}", message)
        if applied is not None and (reply.output, reply.error) != (applied.row.output, applied.row.error):
            expected, found = (applied.row.output, applied.row.error), (reply.output, reply.error)
            raise Finding(f"the acknowledgement of sequence {sequence}: {difference(expected, found)}", message)

    async def _compare(self, *, whole: bool) -> None:
        """Query the processes that the step touched, or all, and compare the replies with the model's."""
        now_ms = self._clock()
        processes = [*filter(None, self.model.processes.values())] if whole else self.model.touched()
        queries = [_Query(process, view) for process in processes for view in process.views(now_ms, whole=whole)]
        for start in range(0, len(queries), QUERIES_MAX):
            batch = queries[start : start + QUERIES_MAX]
            replies = await asyncio.gather(*(self._ask(query) for query in batch))
            for query, reply in zip(batch, replies, strict=True):
                self._compare_reply(query.process, query.view, reply)

    async def _ask(self, query: _Query) -> Result:
        data = msgspec.json.encode(query.view.body)
        return await self._node.dryrun(query.process.id, action=query.view.action, data=data)

    @property
    def _node(self) -> Node:
        return self._crashable.node


def _is_page_of(found: object, expected: object) -> bool:
    """Whether a list is the beginning of a list that may be too long for one answer."""
    if not isinstance(found, list) or not isinstance(expected, list) or not found:
        return False
    return found == expected[: len(found)] and len(msgspec.json.encode(expected)) > WHOLE_BYTES_MAX
