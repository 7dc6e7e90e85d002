"""``mostao replay``: rebuilds every state from a log."""

import sys
import time

import click
import msgspec

from actors.audit.replay import Earlier, ReplayResult
from actors.audit.replay import replay as replay_log
from actors.cli.log_location import LOG_LOCATION
from actors.cli.log_position import LOG_POSITION, resolve_sequence
from actors.cli.progress import progress_bar
from eventstore import LogMissing, read_log
from eventstore.engines import Location


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option("--at", type=LOG_POSITION, metavar="SEQUENCE-or-TIME", help="Stop after this event or at this time.")
@click.option("--process", metavar="ID-or-@HANDLE", help="Print this process's state as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def replay(path: Location, at: int | None, process: str | None, as_json: bool) -> None:
    """Rebuild every state from LOG.

    Prints the log's head and the state root, a hash of all states.

    \b
    Examples:
      mostao replay people.db
      mostao replay people.db --at 2026-01-01T08:00 --process @alice
    """
    begun = time.perf_counter()
    at = resolve_sequence(path, at)
    replayed = replay_with_progress(path, at=at)
    elapsed = time.perf_counter() - begun
    if process is not None:
        state = state_of(replayed, process, find_process(replayed, process))
        click.echo(state if as_json or not sys.stdout.isatty() else msgspec.json.format(state))
        return
    rate = replayed.events / elapsed
    if as_json:
        fields = {
            "events": replayed.events,
            "elapsed_s": round(elapsed, 3),
            "events_per_s": round(rate, 1),
            "unsent": replayed.unsent,
            "log_head": replayed.log_head,
            "state_root": replayed.state_root,
        }
        click.echo(msgspec.json.encode(fields))
        return
    click.echo(f"{replayed.events:,} events replayed in {elapsed:.2f} s ({rate:,.0f} per second)")
    click.echo(f"  processes   {replayed.processes:,}")
    if replayed.unsent:
        when = "at this point" if at is not None else "when the node stopped; it sends them when it opens the log again"
        click.echo(f"  unsent      {replayed.unsent:,} messages were not yet assigned {when}")
    click.echo(f"  log head    {replayed.log_head}")
    click.echo(f"  state root  {replayed.state_root}")


def replay_with_progress(path: Location, *, at: int | None = None, earlier: Earlier | None = None) -> ReplayResult:
    """Replay a log and show a progress bar.

    Raises:
        BadParameter: ``at`` is behind the log's end.
    """
    events = events_of(path)
    if at is not None and at > events:
        raise click.BadParameter(f"the log ends at sequence {events}", param_hint="'--at'")
    with progress_bar("replaying", events if at is None else at) as bar:
        return replay_log(path, at=at, progress=bar.at, earlier=earlier)


def events_of(path: Location) -> int:
    """Number of events in a log.

    Raises:
        LogMissing: the log is empty.
    """
    log = read_log(path, excerpt=True)
    try:
        events = log.head().sequence
    finally:
        log.close()
    if not events:
        raise LogMissing(f"{path} holds no events")
    return events


def find_process(replayed: ReplayResult, name: str, *, option: str = "--process") -> str:
    """The id of a process that is named by its id or as ``@handle``.

    Raises:
        BadParameter: there is none.
    """
    process = replayed.find(name)
    if process is None:
        raise no_process(name, option=option)
    return process


def state_of(replayed: ReplayResult, name: str, process: str) -> bytes:
    """The state of a process that was found by its name.

    Raises:
        BadParameter: the process has not started: its handle is registered a few events earlier.
    """
    try:
        return replayed.state(process)
    except LookupError:
        raise click.BadParameter(
            f"the process of {name} has not started at sequence {replayed.events}: choose a later position",
            param_hint="'--process'",
        ) from None


def no_process(name: str, *, option: str = "--process") -> click.BadParameter:
    """The error for an option that names no process of the log."""
    kind = "handle" if name.startswith("@") else "process"
    hint = "" if name.startswith("@") else "; a handle is written @name"
    return click.BadParameter(f"the log has no {kind} {name!r}{hint}", param_hint=f"'{option}'")
