"""A node that dies at any point of its work loses nothing that it acknowledged, and finishes what it had begun."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from actors import Node, replay
from actors.audit.audit import audit
from tests.actors.audit.forger import read
from tests.actors.node.crash import CRASHED, LIMITS, POINTS

ONCE = ("before the checkpoint of a node that closes", "after the checkpoint of a node that closes")


@pytest.mark.parametrize("point", POINTS)
def test_whatever_it_was_doing(path: Path, point: str) -> None:
    count = 1 if point in ONCE else 5  # a node closes once
    command = [sys.executable, "-m", "tests.actors.node.crash", str(path), point, str(count)]
    victim = subprocess.run(command, capture_output=True, text=True, check=False)
    assert victim.returncode == CRASHED, victim.stderr  # it came to that point
    acknowledged = set(victim.stdout.split())
    report = audit(path)
    assert report.faults == []

    async def reopen() -> tuple[str, str]:
        async with Node.open(path, limits=LIMITS) as node:
            return node.state_root, node.log_head

    root, head = asyncio.run(reopen())
    rows = read(path)
    ids = [row.message.id for row in rows]
    assert len(set(ids)) == len(ids)
    assert acknowledged <= set(ids)
    relayed, sent, notified = (
        sum(row.message.action == action for row in rows) for action in ("RelayMessage", "SendMessage", "Notify")
    )
    assert relayed - 1 == sent == notified  # one relay rotated the key
    replayed = replay(path)
    assert (replayed.unsent, replayed.state_root, replayed.log_head) == (0, root, head)
    assert audit(path).faults == []
