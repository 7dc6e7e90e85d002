"""``python -m simulations.benchmarks.kills``: kill a node at random moments, hold its log against what it had said."""

import asyncio
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

KILLS_PER_LOG = 10
"""After so many a new log is begun, so that opening it again does not take the time."""
_ID_LENGTH = 43


class Lost(Exception):
    """Something that must not happen did; says what."""


@click.command()
@click.option("--kills", type=click.IntRange(1, 100_000), default=300, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Draws the moments.")
@click.option("--longest", default=0.3, show_default=True, help="Seconds of load before a kill, at most.")
def main(kills: int, seed: int, longest: float) -> None:
    """Exit code 1 if anything that was acknowledged is missing, or anything is there twice or half done."""
    random, acknowledged, events, cut_off = Random(seed), 0, 0, 0
    begun = time.perf_counter()
    with progress_bar("killing", kills) as bar:
        for first in range(0, kills, KILLS_PER_LOG):
            with tempfile.TemporaryDirectory() as folder:
                path, said = Path(folder) / "world.db", set[str]()
                for run in range(first, min(first + KILLS_PER_LOG, kills)):
                    said |= _load_and_kill(path, run, random.uniform(0, longest))
                    cut_off += audit(path).unsent
                    events_now = asyncio.run(_reopen(path))
                    _check(path, said, f"kill {run + 1} of seed {seed}")
                    bar.advance()
                acknowledged, events = acknowledged + len(said), events + events_now
    click.echo(
        f"{kills} kills in {time.perf_counter() - begun:.0f} s: {acknowledged:,} acknowledged sends, none missing;"
        f" {events:,} events, none twice; {cut_off:,} effects were cut off, all completed; every audit clean"
    )


def _load_and_kill(path: Path, run: int, seconds: float) -> set[str]:
    """The message ids that a node acknowledged before it was killed."""
    command = [sys.executable, "-m", "simulations.benchmarks.victim", str(path), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        if victim.stdout.readline().strip() != "ready":
            raise Lost(f"the node did not open {path}")
        reading = _Reader(victim.stdout)
        reading.until(time.monotonic() + seconds)
        victim.send_signal(signal.SIGKILL)
        return reading.rest()


class _Reader:
    """Takes down what a victim says."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []

    def until(self, deadline: float) -> None:
        """Read for some time; a victim under load speaks all the while."""
        while time.monotonic() < deadline and (line := self._stream.readline()):
            self._lines.append(line)

    def rest(self) -> set[str]:
        """Read to the end: everything that was said in full."""
        self._lines += self._stream.readlines()
        return {line.strip() for line in self._lines if len(line) == _ID_LENGTH + 1}


async def _reopen(path: Path) -> int:
    async with Node.open(path) as node:
        return node.sequence


def _check(path: Path, said: set[str], when: str) -> None:
    report = audit(path)
    if report.faults or report.unsent:
        raise Lost(f"{when}: {report.faults or f'{report.unsent} effects were not completed'}")
    log = read_log(path)
    try:
        counted = [(event.message.id, event.message.action) for event in log.read()]
    finally:
        log.close()
    ids = {message_id for message_id, _ in counted}
    if len(ids) != len(counted):
        raise Lost(f"{when}: {len(counted) - len(ids)} messages are there twice")
    if missing := said - ids:
        raise Lost(f"{when}: {len(missing)} acknowledged messages are missing, {min(missing)} among them")
    relays, sent, notified = (
        sum(action == name for _, action in counted) for name in ("RelayMessage", "SendMessage", "Notify")
    )
    rotations = sum(action == "RotateSessionKey" for _, action in counted)
    if not relays - rotations == sent == notified:
        raise Lost(f"{when}: {relays - rotations} relays, {sent} messages, {notified} notifications")


if __name__ == "__main__":
    try:
        main()
    except Lost as finding:
        sys.exit(str(finding))
