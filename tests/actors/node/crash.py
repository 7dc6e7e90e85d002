"""``python -m tests.actors.node.crash LOG POINT COUNT``: a node that dies at a point of its work, as by a power cut.

Nothing in the node knows of it: the functions that it passes through are wrapped here, and the COUNTth passing ends the
process at once, without any of the cleaning up that an exception would bring. Says which messages it acknowledged.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors import Limits, Node
from actors.evaluation.process_table import ProcessTable
from actors.node.group_commit import GroupCommit
from eventstore import Sequencer
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.snapshot_key import SnapshotKey
from eventstore.sqlite.snapshots import SqliteSnapshots
from tests.actors.people import ALICE, BOB, NODE, register, relay, still, talking

CRASHED = 42
LIMITS = Limits(live_max=4, snapshot_slots_min=1, snapshot_log_events_min=1)


def before(owner: type, name: str) -> Callable[[Callable[[], None]], None]:
    def wrap(passing: Callable[[], None]) -> None:
        inner = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            passing()
            return inner(*arguments, **named)

        setattr(owner, name, wrapped)

    return wrap


def after(owner: type, name: str) -> Callable[[Callable[[], None]], None]:
    def wrap(passing: Callable[[], None]) -> None:
        inner = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            result = inner(*arguments, **named)
            passing()
            return result

        setattr(owner, name, wrapped)

    return wrap


POINTS = {
    "after assigning": after(Sequencer, "assign"),
    "before evaluating": before(ProcessTable, "evaluate"),
    "after evaluating": after(ProcessTable, "evaluate"),
    "between a parent and its children": after(GroupCommit, "add"),
    "before a commit": before(SqliteLog, "append"),
    "after a commit": after(SqliteLog, "append"),
    "before acknowledging": before(GroupCommit, "_written"),
    "after acknowledging": after(GroupCommit, "_written"),
    "before snapshots": before(SqliteSnapshots, "store"),
    "within snapshots": after(SnapshotKey, "mac_of_snapshot"),
    "after snapshots": after(SqliteSnapshots, "store"),
    "while a process wakes": after(ProcessTable, "_restore"),
    "before the checkpoint of a node that closes": before(SqliteLog, "store_checkpoint"),
    "after the checkpoint of a node that closes": after(SqliteLog, "store_checkpoint"),
}


async def live(path: Path, begin: Callable[[], None]) -> None:
    async with Node.open(path, wallet=NODE, clock=still, limits=LIMITS) as node:
        a, b, session = await talking(node)
        begin()
        for number in range(8):
            sends = [relay(ALICE, a, session, "SendMessage", {"content": f"a{number}"})] * 2
            sends += [relay(BOB, b, session, "SendMessage", {"content": f"b{number}.{part}"}) for part in range(3)]
            for result in await asyncio.gather(*map(node.send, sends)):
                print(result.message_id, flush=True)
            await register(node, ALICE, f"alice-{number}")


def main(path: Path, point: str, count: int) -> None:
    left = count

    def passing() -> None:
        nonlocal left
        left -= 1
        if not left:
            os._exit(CRASHED)

    asyncio.run(live(path, lambda: POINTS[point](passing)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
