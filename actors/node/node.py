"""The node: one door for messages, a log behind it, and an actor for every process that lives."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from actors.ans104.item import DATA_BYTES_MAX, DataTooLarge, NoSuchProcess, mailbox_of, parse
from actors.ans104.wallet import Wallet, key_path
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.results import outcome_of, recall, result_of
from actors.evidence.checkpoints import checkpoint_of, key_of, sign
from actors.node.deduplication import Answers
from actors.node.executor import Conductor
from actors.node.fair_queue import Overloaded
from actors.node.id_filter import Seen
from actors.node.ingress import Ingress, PendingItem
from actors.node.log_writer import Appender
from actors.node.passivation import IDLE_S, MAX_LIVE
from actors.node.process_actor import Dryrun
from actors.node.recovery import Opened, open_log
from actors.node.writer_thread import Writer
from actors.processes import REGISTRIES, RegistryV2
from actors.protocol.messages import Result, message_tags
from actors.protocol.spawn import module_of
from actors.runtime.logs import get_logger
from eventstore import Assignment, EventLog, EventStoreError, LogUnusable, Message, Readers, Replay

T = TypeVar("T")

DRYRUNS_MAX = 4_096
"""Dryruns that wait for their answer at one time."""

logger = get_logger()


class Load(NamedTuple):
    """What a node has to do."""

    live_actors: int
    waiting: int
    """Messages that are not assigned yet …"""
    deepest_mailbox: int
    """… and those of them that are for the same process, where they are most."""
    undurable: int
    """Events that are assigned and not durable yet."""
    events: int
    """Durable ones."""
    log_bytes: int
    child_writes: bool
    """Whether a child process writes the log: the node is busy."""


class NodeClosed(Exception):
    """The node does not take messages any more."""


class Node:
    """Takes signed messages, gives each its place in the log, and lets the processes that it reaches evaluate it.

    Open one with ``async with Node.open(path) as node``. Evaluation follows the order of the log exactly: what a node
    holds is at every moment what a replay of its log gives.

    Attributes:
        registry: process id of the log's first process, the registry.
        data_bytes_max: limit of a message's data.
    """

    def __init__(
        self,
        opened: Opened,
        readers: Readers,
        *,
        clock: Callable[[], int],
        data_bytes_max: int,
        max_live: int,
        idle_s: float,
        disk: Callable[[EventLog], EventLog] | None,
    ) -> None:
        self.registry = self._address = ""
        self._key: Wallet | None = None
        self._log = opened.log
        self._readers = readers
        self._world = opened.world
        self._sequencer = opened.replayed.sequencer
        self._clock = clock
        self.data_bytes_max = data_bytes_max
        self._pool = ThreadPoolExecutor(thread_name_prefix="mostao-door")
        self._answers = Answers(self._recall_durable)
        self._writer = Writer.start(disk(opened.log) if disk else opened.log)
        self._appender = Appender(opened.log, self._writer, may_have_child=disk is None)
        self._conductor = Conductor(
            opened,
            self._appender,
            self._pool,
            clock=clock,
            nobody_on_the_way=lambda: self._intake.empty,
            forget=self._answers.forget,
            max_live=max_live,
            idle_s=idle_s,
        )
        self._commits, self._admission = self._conductor.commits, self._conductor.admission
        self._passivation = self._conductor.passivation
        self._seen = Seen()
        self._intake = Ingress(self._pool, self._seen.may_hold, self._recall, self._admit, self._conductor.next_round)
        self._dryruns = 0
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | Path,
        *,
        new: bool = False,
        wallet: Wallet | None = None,
        clock: Callable[[], int] | None = None,
        data_bytes_max: int = DATA_BYTES_MAX,
        max_live: int = MAX_LIVE,
        idle_s: float = IDLE_S,
        disk: Callable[[EventLog], EventLog] | None = None,
    ) -> AsyncIterator["Node"]:
        """Open a log, or make one, and run its processes until the block ends.

        An existing log is replayed from where its snapshots were written; what a crash kept it from sending is sent
        now.

        Args:
            path: the log's file.
            new: refuse a log that already holds something.
            wallet: the node's own key, which signs the spawning of a new log's registry and, when the node is closed,
                a checkpoint. Without one the key file ``<path>.key`` is used, and made where a new log has none.
            clock: gives the time in ms since the epoch; the system's without one.
            data_bytes_max: limit of a message's data.
            max_live: processes that live in memory at one time; the others come back when they are needed.
            idle_s: seconds without a message after which a process leaves memory.
            disk: what stands between the writer and the log, where somebody wants to see a slow or a failing one.

        Raises:
            EventStoreError: the log cannot be opened, or contradicts itself.
            WalletError: the key file cannot be read or written.
            UnknownModule: the log needs a module that this version does not have.
        """
        begun = time.perf_counter()
        opened = open_log(path, new=new)
        try:
            readers = Readers(opened.log.path)
        except BaseException:
            opened.log.close()
            raise
        node = cls(
            opened,
            readers,
            clock=clock or system_clock,
            data_bytes_max=data_bytes_max,
            max_live=max_live,
            idle_s=idle_s,
            disk=disk,
        )
        try:
            await node._begin(opened.replayed, wallet)
            logger.info(
                "opened",
                log=str(opened.log.path),
                events=node.sequence,
                replayed=node.sequence - opened.mark,
                unsent=len(opened.replayed.pending_outbox),
                seconds=round(time.perf_counter() - begun, 3),
            )
            yield node
        finally:
            await node._close()

    async def send(self, raw: bytes) -> Result:
        """Send a signed message (an ANS-104 data item).

        Returns:
            What its evaluation gave, once it is durable. The same item sent again gives the same result, and is not
            evaluated again.

        Raises:
            ItemRefused: the item is malformed, oversized or forged, or there is no such process. Nothing is in the log.
            Overloaded: too many messages wait. Nothing is in the log.
            LogFailed, NodeFailed: the node stopped. The message may come to nothing.
            NodeClosed: the node was closed.
        """
        return await self.submit(raw)

    def submit(self, raw: bytes) -> "asyncio.Future[Result]":
        """Hand a signed message in; ``send`` without the waiting. Refuses at once what it can, at little cost.

        Raises:
            ItemRefused, Overloaded, LogFailed, NodeClosed: as ``send``; the future has what is found out later.
        """
        self.check_open()
        self._admission.check_room()
        mailbox = mailbox_of(raw)
        self._admission.reserve(mailbox)
        try:
            item = parse(raw, data_bytes_max=self.data_bytes_max)
        except BaseException:
            self._admission.release(mailbox)
            raise
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._intake.add(PendingItem(item, result, mailbox))
        return result

    async def dryrun(
        self,
        process: str,
        *,
        action: str,
        data: str | bytes = b"",
        sender: str = "",
        tags: Sequence[tuple[str, str]] = (),
    ) -> Result:
        """Ask what a message would give now. Nothing is appended, and nobody proves who the sender is.

        Returns:
            The result, once everything that it may depend on is durable.

        Raises:
            ItemRefused: there is no such process, or the data is too large.
            Overloaded: too many dryruns wait.
            NodeClosed: the node was closed.
        """
        self.check_open()
        if self._dryruns >= DRYRUNS_MAX:
            raise Overloaded(f"overloaded: {DRYRUNS_MAX:,} dryruns wait for their answer; try again")
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > self.data_bytes_max:
            raise DataTooLarge(f"the data is {len(raw):,} bytes; at most {self.data_bytes_max:,} are taken")
        if not self._world.has(process):
            raise NoSuchProcess(f"there is no process {process!r}")
        message = Message("", sender, process, action, message_tags(action, tuple(tags)), raw)
        self._dryruns += 1
        try:
            if len(self._world.entries) > self._passivation.max_live:
                self._conductor.assign_next()
                await self._passivation.done()
            now = max(self._clock(), self._sequencer.timestamp)
            evaluated: Evaluated = await self._conductor.live.of(process).ask(Dryrun(message, now), block=False)
            await self._commits.wait(self._sequencer.sequence)
        finally:
            self._dryruns -= 1
        return result_of(message, evaluated.outbox, output=evaluated.output, error=evaluated.error, sequence=0)

    async def outcome(self, message_id: str) -> tuple[Assignment, Result] | None:
        """A message's place in the log and what it gave, once that is durable; None if there is no such message.

        Raises:
            LogFailed, NodeFailed: the node stopped before it was durable.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._answers.give_again(message_id, result):
            return await self.read(partial(outcome_of, message_id=message_id))
        given = await result
        row = await self.read(lambda log: log.find(message_id))
        return None if row is None else (row, given)

    async def quiescent_sequence(self) -> int:
        """Sequence up to which every message is durable together with all that it caused.

        See ``Executor.quiescent_sequence``.
        """
        return await self._conductor.quiescent_sequence()

    async def read(self, reading: Callable[[EventLog], T]) -> T:
        """What a function finds in the log, as far as that is durable. The function is called in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._readers.read, reading)

    async def drain(self) -> None:
        """Wait until everything that was sent is evaluated, with all that it caused, and durable."""
        await self._intake.drained()
        await self._conductor.drain()

    def on_commit(self, observe: Callable[[int, float], None]) -> None:
        """Have one more function called after each commit, with its events and its seconds."""
        self._commits.observers.append(observe)

    def load(self) -> Load:
        """How much the node has to do at the moment."""
        return Load(
            live_actors=len(self._conductor.live.actors),
            waiting=self._admission.reserved,
            deepest_mailbox=self._admission.deepest,
            undurable=self._sequencer.sequence - self._commits.durable,
            events=self._commits.durable,
            log_bytes=sum(file.stat().st_size for file in _files(self._log.path) if file.exists()),
            child_writes=self._appender.child is not None,
        )

    @property
    def address(self) -> str:
        """Of the key that began the log."""
        return self._address

    @property
    def key(self) -> Wallet | None:
        """The key that began the log, if it is at hand."""
        return self._key if self._key is not None and self._key.address == self._address else None

    @property
    def timestamp(self) -> int:
        """The time of the log's last event, in ms."""
        return self._sequencer.timestamp

    @property
    def sequence(self) -> int:
        """Number of events in the log."""
        return self._sequencer.sequence

    @property
    def log_head(self) -> str:
        """The log chain at its end, in hex."""
        return self._sequencer.log_chain.hex()

    @property
    def state_root(self) -> str:
        """One hash over the state of every process, in hex. Meaningful when the node is settled."""
        return self._world.state_root().hex()

    async def _begin(self, replayed: Replay, wallet: Wallet | None) -> None:
        for message in replayed.pending_outbox:
            self._conductor.assign(message)
        await self.drain()
        file = key_path(self._log.path)
        if not self._sequencer.sequence:
            self._key = wallet or Wallet.load_or_create(file)
            await self.send(self._key.sign(tags=[("Type", "Process"), ("Module", RegistryV2.module)]))
        elif wallet is not None or file.exists():
            self._key = wallet or Wallet.load(file)
        first = await self.read(lambda log: next(log.read(until=1), None))
        if first is None or module_of(first.message) not in REGISTRIES:
            raise LogUnusable(f"{self._log.path} does not begin with a registry")
        self.registry, self._address = first.process, first.message.sender
        self._pool.submit(self._readers.read, self._seen.read)

    async def _close(self) -> None:
        self._closed = True
        self._seen.close()
        try:
            await self.drain()
        except EventStoreError as error:
            logger.error("closing without what was not durable", error=str(error))
        await self._intake.close()
        await self._passivation.close()
        await self._conductor.live.stop()
        await self._appender.close()
        await asyncio.to_thread(self._writer.stop)
        if self._commits.failed is None:
            self._readers.read(self._sign_checkpoint)
        self._pool.shutdown()
        self._readers.close()
        self._log.close()
        logger.info("closed", log=str(self._log.path), events=self._commits.durable)

    def _sign_checkpoint(self, log: EventLog) -> None:
        """Leave a signed statement of what the log is now, for whoever finds it changed later."""
        if not self._sequencer.sequence:
            return
        key = key_of(log)
        if self._key is None or self._key.public_key != key.public_key:
            logger.warning("no checkpoint: this is not the key of the node that began the log", log=str(self._log.path))
            return
        try:
            self._log.store_checkpoint(self._sequencer.sequence, sign(checkpoint_of(log, key), self._key))
        except EventStoreError as error:
            logger.error("no checkpoint", error=str(error))

    def check_open(self) -> None:
        """Raise what is wrong, if the node takes no messages."""
        if self._closed:
            raise NodeClosed("the node is closed")
        if self._commits.failed is not None:
            raise self._commits.failed

    def _recall(self, message_ids: list[str]) -> dict[str, Result]:
        return self._readers.read(partial(recall, message_ids=message_ids))

    async def _recall_durable(self, message_id: str) -> Result:
        await self.drain()
        return (await self.read(partial(recall, message_ids=[message_id])))[message_id]

    def _admit(self, arrival: PendingItem, recalled: Result | None, fault: Exception | None) -> None:
        """Let a genuine item in, unless it was assigned before or whoever sent it went away."""
        item, waiter, mailbox = arrival
        if fault is None and not waiter.done() and recalled is None and not self._answers.give_again(item.id, waiter):
            self._answers.remember(item.id, waiter)
            self._seen.add(item.id)
            self._conductor.admit(arrival)
            return
        self._admission.release(mailbox)
        if waiter.done():
            return
        if fault is not None:
            waiter.set_exception(fault)
        elif recalled is not None and not self._answers.give_again(item.id, waiter):
            waiter.set_result(recalled)


def _files(log: Path) -> tuple[Path, Path]:
    """A log's file and its write-ahead log."""
    return log, log.with_name(log.name + "-wal")


def system_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
