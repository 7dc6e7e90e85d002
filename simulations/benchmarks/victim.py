"""A node under load that says which messages it acknowledged, until somebody kills it: ``kills`` does."""

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from actors import Node
from actors.node.limits import Limits
from actors.protocol.canonical_json import encode
from actors.runtime.child_process import cores
from simulations.benchmarks.load import Pair

PAIRS = 8
IN_FLIGHT = 64
LIVE_MAX = (12, 100_000)
"""Every other time fewer than there are processes, so that some are always on their way out of memory, and snapshots
being written."""
DELEGATE_ROWS_MIN = (Limits().delegate_rows_min, 0)
"""Every other two times a child process writes the log from the beginning."""


async def _live(path: Path, run: int) -> None:
    limits = Limits(live_max=LIVE_MAX[run % 2], delegate_rows_min=DELEGATE_ROWS_MIN[run // 2 % 2])
    async with Node.open(path, limits=limits) as node:
        pairs = [Pair(number) for number in range(PAIRS)]
        for pair in pairs:
            if not await pair.find(node):
                await pair.meet(node)
        while not limits.delegate_rows_min and not node.load().child_writes and cores() > 1:
            await node.send(pairs[0].wallets[0].sign(target=node.registry, action="GetHandles", anchor=os.urandom(32)))
        print("ready", flush=True)
        await asyncio.gather(*(_speak(node, pairs[user % PAIRS], run, user) for user in range(IN_FLIGHT)))


async def _speak(node: Node, pair: Pair, run: int, user: int) -> None:
    said = encode({"content": "x" * 64})
    for number in range(10**9):
        anchor = b"%08d%08d%016d" % (run, user, number)
        result = await node.send(pair.relay("SendMessage", said, anchor))
        print(result.message_id, flush=True)


if __name__ == "__main__":
    uvloop.run(_live(Path(sys.argv[1]), int(sys.argv[2])))
