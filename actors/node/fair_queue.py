"""Stage 3, the fair queue: FIFO while it is short, round-robin by process when it is long."""

import asyncio
from collections import Counter, OrderedDict, deque
from time import monotonic

from actors.node.backlog import Backlog
from actors.node.executor import Executor
from actors.node.limits import Limits
from actors.node.pending_item import PendingItem


class FairQueue:
    """Hands one item at a time to the executor, whenever the executor is ready.

    The executor calls ``pump`` through its ``on_ready`` callback when it becomes ready again.

    Args:
        executor: the next stage.
        backlog: where an item returns its place when it leaves the queue.
        limits: of the node.
    """

    def __init__(self, executor: Executor, backlog: Backlog, limits: Limits) -> None:
        self._executor, self._backlog, self._limits = executor, backlog, limits
        self._size = 0
        self._emptied: list[asyncio.Future[None]] = []
        """Resolved when the queue is empty."""
        self._fifo: deque[PendingItem] = deque()
        self._in_turn: OrderedDict[bytes, deque[PendingItem]] = OrderedDict()
        """Processes that may take turns in this round, next one first."""
        self._resting: dict[bytes, deque[PendingItem]] = {}
        """Processes that have used all their turns of this round."""
        self._taken: Counter[bytes] = Counter()
        self._turns = 0
        self._last = b""
        self._changed_s = 0.0
        """When the turn last passed from one process to another."""
        executor.on_ready = self.pump

    def add(self, pending: PendingItem) -> None:
        """Queue an item that has a place in the backlog."""
        self._size += 1
        if not self._in_turn and not self._resting and self._backlog.size <= self._limits.fifo_max:
            self._fifo.append(pending)
        else:
            for queued in self._fifo:
                self._add_to_turns(queued)
            self._fifo.clear()
            self._add_to_turns(pending)
        self.pump()

    def flush(self) -> None:
        """Call when ingress is empty; starts the next round if possible."""
        self.pump()

    def pump(self) -> None:
        """Hand items to the executor while it is ready; refuse all of them if it failed."""
        executor = self._executor
        if self._resting and self._backlog.size == self._size and executor.is_idle:
            self._start_round()
        if executor.failure is not None:
            self._refuse_all(executor.failure)
        while self._size and executor.is_ready and (pending := self._next()) is not None:
            executor.execute(pending)
        if self._emptied and not self._size:
            for emptied in self._emptied:
                if not emptied.done():
                    emptied.set_result(None)
            self._emptied.clear()

    async def drain(self) -> None:
        """Wait until every queued item is executed, with all that it caused, and durable."""
        while self._size or not self._executor.is_idle:
            if self._size:
                emptied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._emptied.append(emptied)
                await emptied
            await self._executor.drain()

    def __len__(self) -> int:
        return self._size

    def _next(self) -> PendingItem | None:
        """Remove the item whose turn it is; None if every process rests."""
        if self._fifo:
            pending = self._fifo.popleft()
        elif self._in_turn:
            pending = self._take_turn()
        else:
            return None
        self._size -= 1
        self._backlog.release(pending.mailbox)
        return pending

    def _take_turn(self) -> PendingItem:
        self._turns += 1
        if self._turns > self._limits.round_turns_max:
            self._start_round()
        mailbox, waiting = self._in_turn.popitem(last=False)
        pending, now = waiting.popleft(), monotonic()
        if mailbox != self._last:
            self._last, self._changed_s = mailbox, now
        taken = self._taken[mailbox] = self._taken[mailbox] + 1
        if waiting:
            has_others = self._backlog.size > self._backlog.of_mailbox[mailbox]
            is_alone = not has_others and now - self._changed_s > self._limits.alone_s
            may_continue = taken < self._limits.process_turns_max or is_alone
            (self._in_turn if may_continue else self._resting)[mailbox] = waiting
        return pending

    def _start_round(self) -> None:
        """Give every process all its turns again."""
        self._taken.clear()
        self._turns = 0
        if self._resting:
            self._in_turn.update(self._resting)
            self._resting.clear()

    def _refuse_all(self, failure: Exception) -> None:
        self._start_round()
        while (pending := self._next()) is not None:
            pending.refuse(failure)
            self._start_round()

    def _add_to_turns(self, pending: PendingItem) -> None:
        queue = self._resting.get(pending.mailbox)
        if queue is None:
            queue = self._in_turn.setdefault(pending.mailbox, deque())
        queue.append(pending)
