"""Child processes that verify signatures for a busy node.

Threads would do, were it not that each of their signatures costs two turns at the interpreter lock, for which an event
loop that has enough to do keeps them waiting.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from actors.ans104.item import DataItem, Signed
from actors.runtime.child_process import Child, cores, hear, say, say_ready
from actors.runtime.logs import get_logger

COUNT_MAX = 2
"""More would wait for the event loop: one verifies twice as much as it evaluates."""
ANSWER_S = 10.0
"""A child that takes longer is stuck."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Signed]).decode

logger = get_logger()


class Verifiers:
    """Child processes that are started when they are first wanted, and end with the node, however it ends."""

    def __init__(self) -> None:
        self._starting: asyncio.Task[None] | None = None
        self._children: list[Child] = []

    def start(self) -> None:
        """Start them, unless that was asked before."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())

    @property
    def ready(self) -> bool:
        """Whether they can be asked."""
        return bool(self._children)

    async def verify(self, items: Sequence[DataItem]) -> list[bool] | None:
        """Whether each item is what its key signed; None if a child does not say: then none will be asked again.

        One call at a time.
        """
        size = -(-len(items) // len(self._children))
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        asked = [
            child.answer(_encode([item.signed for item in part]))
            for child, part in zip(self._children, parts, strict=False)
        ]
        verdicts = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                for answer in asked:
                    verdicts += await answer or b""
        if len(verdicts) < len(items):
            logger.warning("signatures are verified by threads: a child process is gone or stuck")
            await self._let_go()
            return None
        return [verdict == 1 for verdict in verdicts]

    async def close(self) -> None:
        """End them."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._let_go()

    async def _start(self) -> None:
        children: list[Child] = []
        try:
            for _ in range(min(COUNT_MAX, max(1, cores() - 1))):
                children.append(await Child.start(__name__))
        except OSError as error:
            logger.warning("signatures are verified by threads: no child process", error=str(error))
            await _end(children)
        except asyncio.CancelledError:
            await _end(children)
        else:
            self._children = children

    async def _let_go(self) -> None:
        children, self._children = self._children, []
        await _end(children)


async def _end(children: Sequence[Child]) -> None:
    for child in children:
        await child.kill()


def work() -> None:
    """What a child does, until whoever started it ends, with that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C means the node, which may need it until its end
    say_ready()
    while (part := hear()) is not None:
        say(bytes(signed.is_valid for signed in _decode(part)))
