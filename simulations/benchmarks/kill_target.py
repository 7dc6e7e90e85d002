"""The node under load of ``kills``: it prints the process to kill, then the id of each message that it acknowledges."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from actors import Limits, Node
from actors.protocol.canonical_json import encode
from actors.runtime.child_process import cores
from actors.runtime.logs import NAME
from simulations.benchmarks.load import Pair

PAIRS = 8
IN_FLIGHT = 64
LIVE_MAX = (12, 100_000)
"""Limit of live processes, alternating between runs. The first one is below the number of processes, so that the node
evicts processes and writes snapshots all the time."""
DELEGATE_ROWS_MIN = (Limits().delegate_rows_min, 0)
"""Load from which a child process writes the log, alternating between pairs of runs: the default, or from the start."""
VICTIMS = ("node", "writer", "verifier")
"""The process that is killed: the node, the child process that writes its log, or one that verifies signatures."""


async def _run(path: Path, run: int, victim: str) -> None:
    rows_min = 0 if victim == "writer" else DELEGATE_ROWS_MIN[run // 2 % 2]
    items_min = 1 if victim == "verifier" else Limits().verifier_items_min
    limits = Limits(live_max=LIVE_MAX[run % 2], delegate_rows_min=rows_min, verifier_items_min=items_min)
    async with Node.open(path, limits=limits) as node:
        pairs = [Pair(number) for number in range(PAIRS)]
        for pair in pairs:
            if not await pair.find(node):
                await pair.set_up(node)
        while not _children_run(node, limits, victim) and cores() > 1:
            await asyncio.gather(*(_query(node, pairs[0]) for _ in range(IN_FLIGHT)))
        load = node.load()
        victims = {"node": os.getpid(), "writer": load.writer_pid, "verifier": next(iter(load.verifier_pids), None)}
        print("ready", victims[victim], flush=True)
        await asyncio.gather(*(_send(node, pairs[user % PAIRS], run, user) for user in range(IN_FLIGHT)))


def _children_run(node: Node, limits: Limits, victim: str) -> bool:
    load = node.load()
    writer_runs = bool(limits.delegate_rows_min) or load.writer_pid is not None
    return writer_runs and (victim != "verifier" or bool(load.verifier_pids))


async def _query(node: Node, pair: Pair) -> None:
    await node.send(pair.wallets[0].sign(target=node.registry, action="GetHandles", anchor=os.urandom(32)))


async def _send(node: Node, pair: Pair, run: int, user: int) -> None:
    message = encode({"content": "x" * 64})
    for number in range(10**9):
        anchor = b"%08d%08d%016d" % (run, user, number)
        result = await node.send(pair.relay("SendMessage", message, anchor))
        print(result.message_id, flush=True)


if __name__ == "__main__":
    logging.getLogger(NAME).setLevel(logging.ERROR)  # a killed child is no news here
    uvloop.run(_run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
