"""A Pykka runtime on asyncio: the running event loop drains the mailboxes of all actors.

Each message schedules exactly one step, and the loop runs the steps of all actors in the order of scheduling. So
messages are handled in the order of sending over all actors, and a flooded mailbox does not delay the others.
"""

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary, ref

import pykka

if TYPE_CHECKING:
    from types import TracebackType

    from pykka._envelope import Envelope

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

T = TypeVar("T")

STEPS_PER_TURN = 64
"""Steps per turn of the loop. Each turn also polls every socket, which costs more than a step, and releases the
interpreter lock. With more steps per turn, sockets would wait for milliseconds."""

logger = logging.getLogger("pykka")
_settling = threading.Lock()  # shared by all futures: held for a few instructions, and saves a lock per future


class AsyncioFuture(pykka.Future[T]):
    """A Pykka future that can be awaited on the event loop, and read with ``get()`` from any other thread."""

    def __init__(self) -> None:
        super().__init__()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiters: list[Callable[[], object]] = []

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the value, and return it or raise its exception.

        Raises:
            pykka.Timeout: no value within ``timeout`` seconds.
            RuntimeError: no value yet, and this is the event loop's thread, which has to compute it: use ``await``.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self._done:
            if asyncio._get_running_loop() is not None:
                raise RuntimeError("a future of an asyncio actor is awaited on the event loop, not read with get()")
            arrived = threading.Event()
            self._when_done(arrived.set)
            if not arrived.wait(timeout):
                raise pykka.Timeout(f"{timeout} seconds")
        if self._error is not None:
            raise self._error
        return self._value

    def set(self, value: Any = None) -> None:
        """Set the value. Raises ``RuntimeError`` if the future has one."""
        self._settle(value, None)

    def set_exception(self, exc_info: "ExcInfo | None" = None) -> None:
        """Set an exception: the given one, or else the one being handled."""
        _, error, _ = sys.exc_info() if exc_info is None else exc_info
        self._settle(None, error or RuntimeError("an exception without a value"))

    def _settle(self, value: Any, error: BaseException | None) -> None:
        with _settling:
            if self._done or self._get_hook is not None:
                raise RuntimeError("the future has a value already")
            self._value, self._error, self._done = value, error, True
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter()

    def _when_done(self, waiter: Callable[[], object]) -> None:
        with _settling:
            if not self._done:
                self._waiters.append(waiter)
                return
        waiter()

    def __await__(self) -> Generator[Any, None, T]:
        if self._get_hook is not None:  # from map(), join() or stop(): the hook blocks, so a thread runs it
            hooked: T = yield from asyncio.to_thread(self.get).__await__()
            return hooked
        if not self._done:
            loop = asyncio.get_running_loop()
            arrived = loop.create_future()

            def wake() -> None:
                if not arrived.done():
                    arrived.set_result(None)

            self._when_done(lambda: loop.call_soon_threadsafe(wake))
            yield from arrived
        value: T = self.get()
        return value

    __iter__ = __await__


class Steps:
    """The queue of steps of all actors on one event loop."""

    _by_loop: ClassVar["WeakKeyDictionary[asyncio.AbstractEventLoop, Steps]"] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # weak, or the value in _by_loop would keep its own key alive
        self._steps: deque[Callable[[], None]] = deque()
        self._turn_is_scheduled = False

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "Steps":
        """The queue of a loop."""
        steps = cls._by_loop.get(loop)
        if steps is None:
            steps = cls._by_loop[loop] = cls(loop)
        return steps

    def add(self, step: Callable[[], None]) -> None:
        """Schedule a step. Call on the loop's thread only."""
        self._steps.append(step)
        if not self._turn_is_scheduled:
            self._schedule_turn()

    def _run_turn(self) -> None:
        steps = self._steps
        try:
            for _ in range(STEPS_PER_TURN):
                steps.popleft()()
                if not steps:
                    break
        finally:
            self._turn_is_scheduled = False
            if steps:
                self._schedule_turn()

    def _schedule_turn(self) -> None:
        loop = self._loop()
        assert loop is not None
        loop.call_soon(self._run_turn)
        self._turn_is_scheduled = True


class AsyncioInbox:
    """A mailbox that never blocks and that schedules one step on the event loop per message."""

    __slots__ = ("_envelopes", "_loop", "_steps", "_thread", "step")

    def __init__(self) -> None:
        self._envelopes: deque[Envelope[Any]] | None = None  # an empty deque takes half the memory of a handle's state
        self._loop = asyncio.get_running_loop()
        self._steps = Steps.of(self._loop)
        self._thread = threading.get_ident()
        self.step: Callable[[], None]

    def put(self, envelope: "Envelope[Any]", /) -> None:
        """Add a message. Safe from any thread."""
        if threading.get_ident() == self._thread:
            self._add(envelope)
        else:
            self._loop.call_soon_threadsafe(self._add, envelope)

    def get(self) -> "Envelope[Any]":
        """Remove and return the oldest message. Raises ``IndexError`` if the mailbox is empty."""
        if self._envelopes is None:
            raise IndexError("the mailbox is empty")
        envelope = self._envelopes.popleft()
        if not self._envelopes:
            self._envelopes = None
        return envelope

    def empty(self) -> bool:
        """Whether the mailbox is empty."""
        return self._envelopes is None

    def _add(self, envelope: "Envelope[Any]") -> None:
        if self._envelopes is None:
            self._envelopes = deque((envelope,))
        else:
            self._envelopes.append(envelope)
        self._steps.add(self.step)


class Flag:
    """Replaces Pykka's ``threading.Event``, which takes a kilobyte: no code waits for it here."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set the flag."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._is_set


class AsyncioActor(pykka.Actor):
    """An actor on the running event loop. Its handlers are plain functions and must not block.

    ``start``, ``tell``, ``ask``, ``stop``, ``proxy`` and the hooks mean what they mean in Pykka, with one difference:
    on the event loop's own thread a reply has to be awaited (``await ref.ask(message, block=False)``), since blocking
    there would deadlock. Other threads may block.
    """

    actor_inbox: AsyncioInbox

    def __init__(self) -> None:
        super().__init__()
        self.actor_stopped = self.actor_ref.actor_stopped = Flag()  # type: ignore[assignment]

    @staticmethod
    def _create_actor_inbox() -> AsyncioInbox:
        return AsyncioInbox()

    @staticmethod
    def _create_future() -> AsyncioFuture[Any]:
        return AsyncioFuture()

    def _start_actor_loop(self) -> None:
        self.actor_inbox.step = self._step
        self._actor_loop_setup()

    def _step(self) -> None:
        """Handle one message, like one iteration of Pykka's actor loop."""
        if self.actor_inbox.empty():  # a stopped actor's teardown empties the mailbox
            return
        if self.actor_stopped.is_set():
            self._actor_loop_teardown()
            return
        envelope = self.actor_inbox.get()
        try:
            response = self._handle_receive(envelope.message)
            if envelope.reply_to is not None:
                envelope.reply_to.set(response)
        except Exception:
            self._report_exception(envelope)
        if self.actor_stopped.is_set():
            self._actor_loop_teardown()

    def _report_exception(self, envelope: "Envelope[Any]") -> None:
        if envelope.reply_to is not None:
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            envelope.reply_to.set_exception()
            return
        self._handle_failure(*sys.exc_info())
        try:
            self.on_failure(*sys.exc_info())
        except Exception:
            self._handle_failure(*sys.exc_info())
