"""The node: entry points for messages, in front of the pipeline; see README.md for its stages."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from actors.ans104.item import DataTooLarge, NoSuchProcess
from actors.ans104.wallet import Wallet
from actors.evaluation.evaluate import SEQUENCE_MAX
from actors.evaluation.results import find_result, find_results, result_of
from actors.node.append_limits import AppendLimits
from actors.node.backlog import Backlog, Overloaded
from actors.node.clock_guard import ClockGuard, guarded_system_clock
from actors.node.deduplication import Deduplicator
from actors.node.executor import Executor
from actors.node.fair_queue import FairQueue
from actors.node.group_commit import GroupCommit
from actors.node.id_filter import IdFilter
from actors.node.identity import Identity
from actors.node.ingress import Ingress
from actors.node.limits import Limits
from actors.node.load import Load
from actors.node.log_writer import LogWriter, WritableLog
from actors.node.passivation import Passivation
from actors.node.reads import Read, ReadLane
from actors.node.recheck import Recheck
from actors.node.recovery import Recovered, recover
from actors.node.verifier_pool import VerifierPool
from actors.processes import Registry
from actors.protocol.messages import Result, message_tags
from actors.runtime.logs import get_logger
from eventstore import Assignment, EventStoreError, LogFile, Message

T = TypeVar("T")

logger = get_logger()


class NodeClosed(Exception):
    """The node was closed and accepts no more messages."""


class Node:
    """Accepts signed messages, gives each its place in the log, and evaluates the processes that they reach.

    Open one with ``async with Node.open(path) as node``. Evaluation follows the order of the log exactly, so a replay
    of the log gives the same states at any moment.

    Attributes:
        limits: how much it accepts and holds.
    """

    def __init__(
        self,
        recovered: Recovered,
        *,
        clock: Callable[[], int],
        limits: Limits,
        wrap_log: Callable[[WritableLog], WritableLog] | None,
    ) -> None:
        self.limits = limits
        self._recovered = recovered
        self._processes, self._sequencer, self._readers = recovered.processes, recovered.sequencer, recovered.readers
        self._pool = ThreadPoolExecutor(thread_name_prefix="mostao-node")
        self._dryruns = 0
        self._is_closed = False
        self._clock = clock
        if isinstance(clock, ClockGuard):
            clock.on_change = self._clock_changed
        # The pipeline, last stage first: each stage knows only the next one.
        self._log_writer = LogWriter(
            wrap_log(recovered.log) if wrap_log else recovered.log,
            epoch=recovered.lease.epoch,
            delegate_location=None if wrap_log else recovered.location,
            limits=limits,
        )
        self._group_commit = GroupCommit(self._log_writer, self._sequencer.sequence, limits)
        recovered.passive.undurable_payloads = self._group_commit.undurable_payloads
        self._passivation = Passivation(
            self._processes,
            self._sequencer,
            self._group_commit,
            recovered.passive,
            recovered.open_snapshots,
            watermark=recovered.watermark,
            pool=self._pool,
            limits=limits,
        )
        self._append_limits = append_limits = AppendLimits.of(limits)
        self._executor = Executor(
            self._processes,
            self._sequencer,
            self._group_commit,
            self._passivation,
            append_limits,
            clock=clock,
            limits=limits,
        )
        self._backlog = Backlog(limits)
        self._fair_queue = FairQueue(self._executor, self._backlog, limits)
        self._ids = IdFilter(limits)
        self._deduplicator = Deduplicator(
            self._fair_queue,
            self._backlog,
            self._ids,
            recall=self._recall,
            recall_durable=self._recall_durable,
            limits=limits,
        )
        self._short_reads = ReadLane("mostao-reads", self._readers, limits, is_busy=self._is_busy)
        self._page_reads = ReadLane("mostao-pages", self._readers, limits, is_busy=self._is_busy)
        self._verifiers = VerifierPool(self._pool, limits)
        self._ingress = Ingress(self._deduplicator, self._backlog, self._verifiers, append_limits, limits)
        self._recheck = Recheck(recovered.location, recovered.unchecked_events, self._group_commit.fail)
        self._identity = Identity(recovered.log, recovered.location, recovered.key_file)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | Path,
        *,
        new: bool = False,
        wallet: Wallet | None = None,
        clock: Callable[[], int] | None = None,
        accept_clock: bool = False,
        limits: Limits | None = None,
        wrap_log: Callable[[WritableLog], WritableLog] | None = None,
    ) -> AsyncIterator["Node"]:
        """Open a log, or create one, and run its processes until the block ends.

        An existing log is replayed from its snapshots' watermark. Messages that a crash kept the node from sending are
        sent now.

        Args:
            path: the log's file, or another location (see ``eventstore.engines``).
            new: refuse a log that already contains assignments.
            wallet: the node's own key. It signs the spawn of a new log's registry, and a checkpoint when the node
                closes. Without one the key file ``<path>.key`` is used, and created for a new log.
            clock: gives the time in ms since the epoch. The default is the system's clock behind a ``ClockGuard``;
                another clock is trusted, unless it is a ``ClockGuard``.
            accept_clock: open the log even if a guarded clock is more than an hour behind the log's last event.
            limits: how much the node accepts and holds.
            wrap_log: wraps the log that the node writes to. Tests and simulations use it to make the storage slow or
                fail.

        Raises:
            EventStoreError: the log cannot be opened, or contradicts itself.
            ClockUnreliable: the clock is more than an hour behind the log's last event.
            WalletError: the key file cannot be read or written.
            UnknownModule: the log needs a module that this version lacks.
        """
        begun = time.perf_counter()
        clock = clock or guarded_system_clock()
        now_ms = clock() if isinstance(clock, ClockGuard) and not accept_clock else None
        limits = limits or Limits()
        recovered = recover(path, new=new, recheck_events_max=limits.recheck_events_max, now_ms=now_ms)
        node = cls(recovered, clock=clock, limits=limits, wrap_log=wrap_log)
        try:
            await node._start(wallet)
            logger.info(
                "opened",
                log=recovered.location,
                events=node.sequence,
                replayed=node.sequence - recovered.watermark,
                unsent=len(recovered.pending_outbox),
                seconds=round(time.perf_counter() - begun, 3),
            )
            yield node
        finally:
            await node._close()

    async def send(self, raw: bytes) -> Result:
        """Send a signed message (an ANS-104 data item).

        Returns:
            What its evaluation produced, once that is durable. An item that was sent before gives its first result, and
            is not evaluated again.

        Raises:
            ItemRefused: the item is malformed, oversized or forged, or its process does not exist. The log is
                unchanged.
            Overloaded: too many messages wait. The log is unchanged.
            AppendLimitReached: the sender appended too much (``Limits.appended_max``). The log is unchanged.
            ClockUnreliable: the clock jumped. The log is unchanged.
            LogFailed, NodeFailed: the node stopped. The message may be lost.
            NodeClosed: the node was closed.
        """
        return await self.submit(raw)

    def submit(self, raw: bytes) -> "asyncio.Future[Result]":
        """Send a message without waiting for its result.

        Raises:
            ItemRefused, Overloaded, AppendLimitReached, LogFailed, NodeClosed: as ``send``, as far as a cheap check
                finds it. The future fails with what is found later.
        """
        self.check_open()
        return self._ingress.submit(raw)

    async def dryrun(
        self,
        process: str,
        *,
        action: str,
        data: str | bytes = b"",
        sender: str = "",
        tags: Sequence[tuple[str, str]] = (),
    ) -> Result:
        """Evaluate a message against the current state. Nothing is appended, and the sender is not verified.

        Returns:
            The result, once everything that it may depend on is durable.

        Raises:
            ItemRefused: the process does not exist, or the data is too large.
            Overloaded: too many dryruns wait.
            NodeClosed: the node was closed.
        """
        self.check_open()
        dryruns_max, data_bytes_max = self.limits.dryruns_max, self.limits.data_bytes_max
        if self._dryruns >= dryruns_max:
            raise Overloaded(f"overloaded: {dryruns_max:,} dryruns wait for their answer; try again")
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > data_bytes_max:
            raise DataTooLarge(f"the data is {len(raw):,} bytes; at most {data_bytes_max:,} are taken")
        if not self._processes.has(process):
            raise NoSuchProcess(f"there is no process {process!r}")
        message = Message("", sender, process, action, message_tags(action, tuple(tags)), raw)
        self._dryruns += 1
        try:
            evaluated = await self._executor.dryrun(message)
        finally:
            self._dryruns -= 1
        return result_of(message, evaluated.outbox, output=evaluated.output, error=evaluated.error, sequence=0)

    async def outcome(self, message_id: str) -> tuple[Assignment, Result] | None:
        """A message's assignment and result, once it is durable; None if there is no such message.

        Raises:
            LogFailed, NodeFailed: the node stopped before the message was durable.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._deduplicator.repeat(message_id, result):
            return await self.read(partial(find_result, message_id=message_id))
        given = await result
        row = await self.read(lambda log: log.find(message_id))
        return None if row is None else (row, given)

    def may_contain(self, message_id: str) -> bool:
        """Whether a message may have been sent before, without a lookup. It may also be true of a few that were not."""
        return self._deduplicator.may_contain(message_id)

    async def quiescent_sequence(self) -> int:
        """Sequence up to which the log contains every message together with all that it caused, all of it durable.

        It includes every message that is assigned when this is called.
        """
        return await self._executor.quiescent_sequence()

    async def handle_names(self) -> Callable[[str], str]:
        """Maps a process to the handle that the registry binds to it now; to an empty text if it binds none.

        Returns once the bindings are durable. They stay as they are now, in any thread.
        """
        registry = self._processes.find(self.registry, before=SEQUENCE_MAX)
        assert registry is not None
        assert isinstance(registry.process, Registry)
        directory = registry.process.state.handles
        await self._executor.drain()
        return lambda process: name.shown if (name := directory.of_pid(process)) else ""

    async def read(self, function: Callable[[LogFile], T]) -> T:
        """Apply a function that reads few rows to the durable log, in another thread.

        Raises:
            Overloaded: too many reads wait.
            ReadTimeout: the read took longer than ``Limits.read_s``.
        """
        return await self._short_reads.run(function)

    async def read_page(self, function: Callable[[LogFile], T], read: Read | None = None) -> T:
        """Like ``read``, for functions that read many rows or render them: short reads do not wait for them.

        Args:
            function: reads from the log that it gets.
            read: its progress, which the caller may observe. The function may call its ``check`` between rows.
        """
        return await self._page_reads.run(function, read)

    def stop_pages(self) -> None:
        """End the running ``read_page`` calls with ``NodeClosed``, and refuse new ones."""
        self._page_reads.stop(NodeClosed("the node stops; read the page again when it is back"))

    async def store_checkpoint(self, size: int, note: str) -> None:
        """Store a signed note of the first ``size`` events in the log. Messages do not wait for it.

        A note of that size that is stored already stays, unless the new one is the same with more signatures.

        Raises:
            NodeClosed: the node was closed.
            LogFailed, NodeFailed: the note could not be stored, or the node stopped.
        """
        self.check_open()
        await self._log_writer.store_checkpoint(size, note, log=self._recovered.log)

    async def drain(self) -> None:
        """Wait until everything that was sent is evaluated, with all that it caused, and durable."""
        await self._ingress.drain()
        await self._fair_queue.drain()

    async def failed(self) -> EventStoreError:
        """Wait until the node cannot continue, and give the reason. It then accepts no more messages: close it."""
        await self._group_commit.failed.wait()
        assert self._group_commit.failure is not None
        return self._group_commit.failure

    def on_commit(self, observe: Callable[[int, float], None]) -> None:
        """Call a function after each commit, with its number of events and its seconds."""
        self._group_commit.observers.append(observe)

    def evict_idle(self) -> None:
        """Advance the idle time by a quarter of ``Limits.idle_s``, as a timer does."""
        self._passivation.evict_idle()

    def confirm_clock(self) -> None:
        """Accept the system's clock as it is now, after a jump."""
        if isinstance(self._clock, ClockGuard):
            self._clock.confirm()

    def load(self) -> Load:
        """How busy the node is."""
        return Load(
            live_actors=len(self._executor.actors.actors),
            live_processes=len(self._processes.entries),
            spare_actors=len(self._executor.actors.spare),
            heads_in_memory=len(self._sequencer.processes),
            waiting=self._backlog.size,
            deepest_mailbox=self._backlog.deepest,
            undurable=self._sequencer.sequence - self._group_commit.durable,
            events=self._group_commit.durable,
            log_bytes=self._recovered.size_bytes(),
            writer_pid=self._log_writer.child.pid if self._log_writer.child is not None else None,
            evicting=self._passivation.is_running,
            verifier_pids=tuple(self._verifiers.pids),
        )

    def check_open(self) -> None:
        """Raise if the node accepts no messages.

        Raises:
            NodeClosed, LogFailed, NodeFailed: it was closed, or it stopped.
        """
        if self._is_closed:
            raise NodeClosed("the node is closed")
        if self._executor.failure is not None:
            raise self._executor.failure

    @property
    def registry(self) -> str:
        """Process id of the registry, which is the log's first process."""
        return self._identity.registry

    @property
    def address(self) -> str:
        """Address of the key that started the log."""
        return self._identity.address

    @property
    def key(self) -> Wallet | None:
        """The key that started the log, if the node has it."""
        return self._identity.key

    @property
    def timestamp(self) -> int:
        """The time of the log's last event, in ms since the epoch."""
        return self._sequencer.timestamp

    @property
    def sequence(self) -> int:
        """Number of events in the log."""
        return self._sequencer.sequence

    @property
    def durable_sequence(self) -> int:
        """Number of durable events in the log."""
        return self._group_commit.durable

    @property
    def log_head(self) -> str:
        """The log chain at the log's end, in hex."""
        return self._sequencer.log_chain.hex()

    @property
    def state_root(self) -> str:
        """One hash over the state of every process, in hex. Call ``drain`` before."""
        return self._processes.state_root().hex()

    async def _start(self, wallet: Wallet | None) -> None:
        for message in self._recovered.pending_outbox:
            self._executor.assign(message)
        await self.drain()
        if (spawn := self._identity.load(wallet)) is not None:
            await self.send(spawn)
        await self._read_unlimited(self._identity.identify)
        if self._append_limits is not None and self.key is not None:
            self._append_limits.own_key = self.key.public_key
        self._executor.is_newest = self._identity.is_newest
        self._pool.submit(self._readers.read, self._ids.read)
        if self.limits.recheck_long_logs:
            self._recheck.start()

    async def _close(self) -> None:
        self._is_closed = True
        self._ids.close()
        async with AsyncExitStack() as closing:  # last one first; an error does not keep the others from closing
            closing.callback(self._close_log)
            closing.callback(self._readers.close)
            for lane in (self._short_reads, self._page_reads):
                closing.callback(lane.close)
                closing.callback(lane.stop, NodeClosed("the node is closed"))
            closing.callback(self._pool.shutdown)
            closing.callback(self._sign_checkpoint)
            closing.push_async_callback(self._log_writer.close)
            closing.push_async_callback(self._executor.actors.stop)
            closing.push_async_callback(self._passivation.close)
            closing.push_async_callback(self._verifiers.close)
            closing.push_async_callback(self._recheck.close)
            try:
                await self.drain()
            except EventStoreError as error:
                logger.error("closing without what was not durable", error=str(error))
        logger.info("closed", log=self._recovered.location, events=self._group_commit.durable)

    async def _read_unlimited(self, function: Callable[[LogFile], T]) -> T:
        """A read of the pipeline itself: it must not wait for requests."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._readers.read, function)

    def _is_busy(self) -> bool:
        return self._backlog.size > 0 or self._sequencer.sequence > self._group_commit.durable

    def _close_log(self) -> None:
        if self._executor.failure is not None:
            self._recovered.log.distrust()
        self._recovered.log.close()

    def _sign_checkpoint(self) -> None:
        if self._executor.failure is None:
            self._readers.read(self._identity.sign_checkpoint)

    def _clock_changed(self, reason: str | None) -> None:
        if reason is None:
            logger.warning("the clock is accepted: messages are taken again", log=self._recovered.location)
        else:
            logger.error("the clock is not accepted: no message is taken", log=self._recovered.location, reason=reason)

    async def _recall(self, message_ids: Sequence[str]) -> dict[str, Result]:
        return await self._read_unlimited(partial(find_results, message_ids=message_ids))

    async def _recall_durable(self, message_id: str) -> Result:
        await self._executor.quiescent_sequence()
        return (await self._recall([message_id]))[message_id]
