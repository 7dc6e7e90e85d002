"""The process that ``kills`` kills: a node under load that prints the id of every message it has acknowledged."""

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from actors import Limits, Node
from actors.protocol.canonical_json import encode
from actors.runtime.child_process import cores
from simulations.benchmarks.load import Pair

PAIRS = 8
IN_FLIGHT = 64
LIVE_MAX = (12, 100_000)
"""Limit of live processes, alternating between runs. The first one is below the number of processes, so that the node
evicts processes and writes snapshots all the time."""
DELEGATE_ROWS_MIN = (Limits().delegate_rows_min, 0)
"""Load from which a child process writes the log, alternating between pairs of runs: the default, or from the start."""


async def _run(path: Path, run: int) -> None:
    limits = Limits(live_max=LIVE_MAX[run % 2], delegate_rows_min=DELEGATE_ROWS_MIN[run // 2 % 2])
    async with Node.open(path, limits=limits) as node:
        pairs = [Pair(number) for number in range(PAIRS)]
        for pair in pairs:
            if not await pair.find(node):
                await pair.set_up(node)
        while not limits.delegate_rows_min and not node.load().child_writes and cores() > 1:
            await node.send(pairs[0].wallets[0].sign(target=node.registry, action="GetHandles", anchor=os.urandom(32)))
        print("ready", flush=True)
        await asyncio.gather(*(_send(node, pairs[user % PAIRS], run, user) for user in range(IN_FLIGHT)))


async def _send(node: Node, pair: Pair, run: int, user: int) -> None:
    message = encode({"content": "x" * 64})
    for number in range(10**9):
        anchor = b"%08d%08d%016d" % (run, user, number)
        result = await node.send(pair.relay("SendMessage", message, anchor))
        print(result.message_id, flush=True)


if __name__ == "__main__":
    uvloop.run(_run(Path(sys.argv[1]), int(sys.argv[2])))
