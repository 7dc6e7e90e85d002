"""``mostao replay``: every state from the file alone."""

import sys
import time
from pathlib import Path

import click
import msgspec

from actors.audit.replay import Earlier, ReplayResult
from actors.audit.replay import replay as replay_log
from actors.cli.log_position import LOG_POSITION, resolve_sequence
from actors.cli.progress import progress_bar
from eventstore import LogMissing, read_log


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.option("--at", type=LOG_POSITION, metavar="SEQUENCE-or-TIME", help="Stop after this event, or at this time.")
@click.option("--process", metavar="ID-or-@HANDLE", help="Print that process's state as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def replay(path: Path, at: int | None, process: str | None, as_json: bool) -> None:
    """Rebuild every state from LOG, and print the log's head and the state root."""
    begun = time.perf_counter()
    at = resolve_sequence(path, at)
    replayed = replay_with_progress(path, at=at)
    elapsed = time.perf_counter() - begun
    if process is not None:
        state = replayed.state(find_process(replayed, process))
        click.echo(state if as_json or not sys.stdout.isatty() else msgspec.json.format(state))
        return
    rate = replayed.events / elapsed
    if as_json:
        figures = {
            "events": replayed.events,
            "elapsed_s": round(elapsed, 3),
            "events_per_s": round(rate, 1),
            "unsent": replayed.unsent,
            "log_head": replayed.log_head,
            "state_root": replayed.state_root,
        }
        click.echo(msgspec.json.encode(figures))
        return
    click.echo(f"{replayed.events:,} events replayed in {elapsed:.2f} s ({rate:,.0f} per second)")
    click.echo(f"  processes   {replayed.processes:,}")
    if replayed.unsent:
        where = (
            "at this point" if at is not None else "when its node stopped; it sends them when it opens the log again"
        )
        click.echo(f"  unsent      {replayed.unsent:,} messages were on their way {where}")
    click.echo(f"  log head    {replayed.log_head}")
    click.echo(f"  state root  {replayed.state_root}")


def replay_with_progress(path: Path, *, at: int | None = None, earlier: Earlier | None = None) -> ReplayResult:
    """Replay a log under a progress bar. ``at`` has to lie within it."""
    events = events_of(path)
    if at is not None and at > events:
        raise click.BadParameter(f"the log ends at sequence {events}", param_hint="'--at'")
    with progress_bar("replaying", events if at is None else at) as bar:
        return replay_log(path, at=at, progress=bar.at, earlier=earlier)


def events_of(path: Path) -> int:
    """Number of events of a log, which has to hold some."""
    log = read_log(path, excerpt=True)
    try:
        events = log.head().sequence
    finally:
        log.close()
    if not events:
        raise LogMissing(f"{path} holds no events")
    return events


def find_process(replayed: ReplayResult, name: str) -> str:
    """The process of an id or ``@handle``; misuse if there is none."""
    process = replayed.find(name)
    if process is None:
        kind = "handle" if name.startswith("@") else "process"
        hint = "" if name.startswith("@") else "; a handle is written @name"
        raise click.BadParameter(f"the log has no {kind} {name!r}{hint}", param_hint="'--process'")
    return process
