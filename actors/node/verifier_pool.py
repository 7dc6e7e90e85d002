"""Signature verification outside the event loop: in threads while few items arrive, in child processes when many do.

A thread must take the interpreter lock twice for each signature, and a busy event loop makes it wait. Without the child
processes, throughput falls to 86 %.
"""

import asyncio
import signal
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress

import msgspec

from actors.ans104.item import DataItem, Signed, verify_all
from actors.node.limits import Limits
from actors.runtime.child_process import Child, cores, receive_request, send_ready, send_reply
from actors.runtime.logs import get_logger

CHILDREN_MAX = 2
"""More would wait for the event loop: one child verifies twice as many items as a node evaluates."""
_ITEMS_PER_THREAD_MIN = 16
"""Below this number a second thread costs more than it saves."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Signed]).decode

logger = get_logger()


class VerifierPool:
    """Verifies batches of items, one batch at a time.

    Args:
        threads: used until the child processes are started, and if one of them is lost.
        limits: of the node.
    """

    def __init__(self, threads: Executor, limits: Limits) -> None:
        self._threads, self._limits = threads, limits
        self._cores = cores()
        self._items_in_large_batches = 0
        self._starting: asyncio.Task[None] | None = None
        self._children: list[Child] = []

    @property
    def pids(self) -> list[int]:
        """The child processes; empty while threads verify."""
        return [child.pid for child in self._children]

    async def verify(self, items: Sequence[DataItem]) -> list[bool]:
        """Whether each item's signature is valid."""
        if len(items) >= _ITEMS_PER_THREAD_MIN:
            self._items_in_large_batches += len(items)
            if self._items_in_large_batches >= self._limits.verifier_items_min:
                self.start()
        if self._children and (verdicts := await self._verify_in_children(items)) is not None:
            return verdicts
        run = asyncio.get_running_loop().run_in_executor
        parts = _split(items, max(_ITEMS_PER_THREAD_MIN, -(-len(items) // self._cores)))
        results = await asyncio.gather(*(run(self._threads, verify_all, part) for part in parts))
        return [is_valid for part in results for is_valid in part]

    def start(self) -> None:
        """Start the child processes, unless they were started before."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    async def started(self) -> None:
        """Wait until the child processes that ``start`` requested are running, or have failed to start."""
        if self._starting is not None:
            await asyncio.wait([self._starting])

    async def close(self) -> None:
        """End the child processes."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._end_children()

    async def _verify_in_children(self, items: Sequence[DataItem]) -> list[bool] | None:
        """The verdicts; None if a child ended or timed out. Then threads verify everything from now on."""
        parts = _split(items, -(-len(items) // len(self._children)))
        replies = [
            child.ask_future(_encode([item.signed for item in part]))
            for child, part in zip(self._children, parts, strict=False)
        ]
        verdicts = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.verifier_reply_s):
                for reply in replies:
                    verdicts += await reply or b""
        if len(verdicts) < len(items):
            logger.warning("signatures are verified by threads: a child process ended or timed out")
            await self._end_children()
            return None
        return [verdict == 1 for verdict in verdicts]

    async def _start(self) -> None:
        children: list[Child] = []
        try:
            for _ in range(min(CHILDREN_MAX, max(1, cores() - 1))):
                children.append(await Child.start(__name__))
        except OSError as error:
            logger.warning("signatures are verified by threads: no child process", error=str(error))
            await _end(children)
        except asyncio.CancelledError:
            await _end(children)
        else:
            self._children = children

    async def _end_children(self) -> None:
        children, self._children = self._children, []
        await _end(children)


def _split(items: Sequence[DataItem], size: int) -> list[Sequence[DataItem]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


async def _end(children: Sequence[Child]) -> None:
    for child in children:
        await child.kill()


def work() -> None:
    """Verify signatures until the node ends; the main function of a child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the node, which needs its verifiers until then
    send_ready()
    while (part := receive_request()) is not None:
        send_reply(bytes(signed.is_valid for signed in _decode(part)))
