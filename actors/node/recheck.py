"""The check of a long log after a kill: a child process reads all of it while the node already accepts messages.

A short log is checked before (``recovery``). The child has the lowest priority, and looks at pages, index entries, the
Merkle tree and both hash chains. If something is wrong, the node stops.
"""

import asyncio
import os
import sys
from collections.abc import Callable

from actors.runtime.child_process import Child, receive_request, send_ready, send_reply
from actors.runtime.logs import get_logger
from actors.runtime.tuning import dedicate_process
from eventstore import LogFile, StorageDamaged
from eventstore.engines import engine_of
from eventstore.replay.hash_chains import check_chains

_LOWEST_PRIORITY = 19

logger = get_logger()


class Recheck:
    """Checks the events of a log up to a sequence, once.

    Args:
        location: of the log.
        events: the last sequence to check; 0 for none.
        on_damage: called with what is wrong.
    """

    def __init__(self, location: str, events: int, on_damage: Callable[[StorageDamaged], object]) -> None:
        self._location, self._events, self._on_damage = location, events, on_damage
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the child process if there is something to check."""
        if self._events:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End the child process, whether or not it is done."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def done(self) -> None:
        """Wait until the check is complete."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            child = await Child.start(__name__, self._location)
        except OSError as error:
            logger.warning("the log is not checked: run mostao audit", log=self._location, error=str(error))
            return
        try:
            reply = await child.ask_future(str(self._events).encode())
        finally:
            await child.kill()
        if reply is None:
            logger.warning("the log is not checked: run mostao audit", log=self._location, error="the child ended")
        elif reply:
            self._on_damage(
                StorageDamaged(f"{self._location} is damaged ({reply.decode()}): restore a copy of the log")
            )
        else:
            logger.info("checked after a kill", log=self._location, events=self._events)


def work() -> None:
    """Check a log in a child process. ``sys.argv[1]`` is its location."""
    os.nice(_LOWEST_PRIORITY)
    dedicate_process()
    location = sys.argv[1]
    log = engine_of(location).read_log(location, exclusive=True)
    send_ready()
    while (request := receive_request()) is not None:
        send_reply(_damage(log, int(request)).encode())


def _damage(log: LogFile, events: int) -> str:
    """What is wrong with a log up to a sequence; empty if nothing is."""
    if damage := log.storage_damage():
        return damage
    faults = check_chains(log, until=events, progress=_ignore).faults
    return str(faults[0]) if faults else ""


def _ignore(_: int) -> None:
    """The check reports no progress."""
