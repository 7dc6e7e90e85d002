"""``python -m simulations.benchmarks.kills``: kills a node or a child of it at random moments, and checks the log.

The log must contain every message that the node acknowledged, no message twice, and after a restart all effects. A node
that lost a child process must continue without it; it is killed some acknowledgements later.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import IO

import click

from actors import Node
from actors.audit.audit import audit
from actors.cli.progress import progress_bar
from eventstore import read_log
from simulations.benchmarks.kill_target import VICTIMS

KILLS_PER_LOG = 10
"""Kills before the next log is started, so that opening a long log does not dominate the time."""
ACKNOWLEDGED_AFTER = 128
"""Messages that a node acknowledges after it lost a child, before the node is killed, too: twice those in flight."""
_ID_LENGTH = 43


class Lost(Exception):
    """An invariant is broken. The text states which one, and at which kill."""


@click.command()
@click.option("--kills", type=click.IntRange(1, 100_000), default=300, show_default=True)
@click.option("--victim", type=click.Choice(VICTIMS), default=VICTIMS[0], show_default=True, help="Process to kill.")
@click.option("--seed", type=int, default=1, show_default=True, help="Draws the moments of the kills.")
@click.option("--longest", default=0.3, show_default=True, help="Maximum seconds of load before a kill.")
def main(kills: int, victim: str, seed: int, longest: float) -> None:
    """Kill a process many times. Exit code 1 if a message is lost or duplicated, or an effect is incomplete."""
    random, acknowledged, events, cut_off = Random(seed), 0, 0, 0
    started = time.perf_counter()
    with progress_bar("killing", kills) as bar:
        for first in range(0, kills, KILLS_PER_LOG):
            with tempfile.TemporaryDirectory() as folder:
                path, acknowledged_ids = Path(folder) / "world.db", set[str]()
                for run in range(first, min(first + KILLS_PER_LOG, kills)):
                    acknowledged_ids |= _load_and_kill(path, run, victim, random.uniform(0, longest))
                    cut_off += audit(path).unsent
                    events_now = asyncio.run(_reopen(path))
                    _check(path, acknowledged_ids, f"kill {run + 1} of seed {seed} ({victim})")
                    bar.advance()
                acknowledged, events = acknowledged + len(acknowledged_ids), events + events_now
    click.echo(
        f"{kills} kills ({victim}) in {time.perf_counter() - started:.0f} s: {acknowledged:,} acknowledged sends, none"
        f" missing; {events:,} events, none twice; {cut_off:,} effects were cut off, all completed; every audit clean"
    )


def _load_and_kill(path: Path, run: int, victim: str, seconds: float) -> set[str]:
    """Run a node under load and kill the victim; returns the ids of the messages that the node acknowledged."""
    command = [sys.executable, "-m", "simulations.benchmarks.kill_target", str(path), str(run), victim]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        ready, _, pid = node.stdout.readline().strip().partition(" ")
        if ready != "ready":
            raise Lost(f"the node did not open {path}")
        reading = _Reader(node.stdout)
        reading.until(time.monotonic() + seconds)
        try:
            os.kill(int(pid), signal.SIGKILL)
            if victim != VICTIMS[0] and not reading.more(ACKNOWLEDGED_AFTER):
                raise Lost(f"run {run}: the node ended after its {victim} was killed")
        finally:
            node.send_signal(signal.SIGKILL)
        return reading.rest()


class _Reader:
    """Reads the output of the node."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []

    def until(self, deadline: float) -> None:
        """Read lines until a deadline. A node under load prints all the time, so reading does not block for long."""
        while time.monotonic() < deadline and (line := self._stream.readline()):
            self._lines.append(line)

    def more(self, count: int) -> bool:
        """Read a number of lines. Returns False if the output ends before."""
        lines = [line for _ in range(count) if (line := self._stream.readline())]
        self._lines += lines
        return len(lines) == count

    def rest(self) -> set[str]:
        """Read to the end; returns all complete ids."""
        self._lines += self._stream.readlines()
        return {line.strip() for line in self._lines if len(line) == _ID_LENGTH + 1}


async def _reopen(path: Path) -> int:
    async with Node.open(path) as node:
        return node.sequence


def _check(path: Path, acknowledged_ids: set[str], when: str) -> None:
    report = audit(path)
    if report.faults or report.unsent:
        raise Lost(f"{when}: {report.faults or f'{report.unsent} effects are incomplete'}")
    log = read_log(path)
    try:
        rows = [(event.message.id, event.message.action) for event in log.read()]
    finally:
        log.close()
    ids = {message_id for message_id, _ in rows}
    if len(ids) != len(rows):
        raise Lost(f"{when}: {len(rows) - len(ids)} messages are in the log twice")
    if missing := acknowledged_ids - ids:
        raise Lost(f"{when}: {len(missing)} acknowledged messages are missing, {min(missing)} among them")
    relays, sent, notified = (
        sum(action == name for _, action in rows) for name in ("RelayMessage", "SendMessage", "Notify")
    )
    rotations = sum(action == "RotateSessionKey" for _, action in rows)
    if not relays - rotations == sent == notified:
        raise Lost(f"{when}: {relays - rotations} relays, {sent} messages, {notified} notifications")


if __name__ == "__main__":
    try:
        main()
    except Lost as finding:
        sys.exit(str(finding))
