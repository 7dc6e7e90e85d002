"""``mostao load``: measures a node's throughput and latency under load."""

import asyncio
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import uvloop

from actors.cli.extras import require
from actors.cli.paths import check_new_log, check_writable, free_log
from actors.cli.progress import progress_bar
from simulations.cli.load_compare import compare
from simulations.load.connect import is_url
from simulations.load.labels import rows, title
from simulations.load.metrics import Metrics, metrics_of
from simulations.load.people import SetUpFailed, sessions_max
from simulations.load.plan import Plan, Stage, parse_duration, parse_rate, parse_stages
from simulations.load.report import write_report
from simulations.load.run import Bench, LoadFailed, Run, bench
from simulations.load.search import Trial, find_max
from simulations.load.thresholds import Threshold, parse_threshold
from simulations.load.transport import NotServed
from simulations.load.verify import verify

if TYPE_CHECKING:
    from simulations.cli.load_display import LiveLoad

EXIT_FINDING = 1
EXIT_INTERRUPTED = 130
SESSIONS_MAX = 1_000_000


class _Parsed(click.ParamType[Any]):
    """An option that a function parses; its ``ValueError`` is shown as the option's error."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Parse the text."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), parameter, context)


_DURATION = _Parsed("DURATION", parse_duration)


@click.group(invoke_without_command=True)
@click.option(
    "--sessions",
    type=click.IntRange(1, SESSIONS_MAX),
    metavar="N",
    default=1000,
    show_default=True,
    help="Number of sessions.",
)
@click.option(
    "--users",
    type=click.IntRange(2, SESSIONS_MAX),
    metavar="N",
    help="Number of people in the sessions.  [default: two for each session]",
)
@click.option(
    "--size",
    type=click.IntRange(0, 50_000),
    metavar="BYTES",
    default=240,
    show_default=True,
    help="Size of a message.",
)
@click.option("--duration", type=_DURATION, default="10s", show_default=True, help="Measured time.")
@click.option("--warmup", type=_DURATION, help="Unmeasured time of load before it.  [default: a tenth of the duration]")
@click.option(
    "--in-flight",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Closed model: number of sends that wait for a reply.  [default: 256]",
)
@click.option("--rate", type=_Parsed("RATE", parse_rate), help="Open model: sends per second.")
@click.option(
    "--stages",
    type=_Parsed("STAGES", parse_stages),
    help="Open model with changing rates: 10s:1000,30s:5000 rises to 1000 in 10 s, then to 5000 in 30 s.",
)
@click.option(
    "--generators",
    type=click.IntRange(1, 64),
    metavar="N",
    default=1,
    show_default=True,
    help="Number of processes that generate load.",
)
@click.option(
    "--threshold",
    "thresholds",
    type=_Parsed("THRESHOLD", parse_threshold),
    multiple=True,
    help="Exit with 1 unless this holds: 'p99<50ms', 'errors<1%', 'sends_per_s>1000', 'rss<500MB'. Repeatable.",
)
@click.option("--find-max", is_flag=True, help="Find the highest rate at which all thresholds hold.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="N",
    default=1,
    show_default=True,
    help="Seed of all random choices.",
)
@click.option(
    "--log",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The new log file.  [default: load.db, or the next free load-2.db, …]",
)
@click.option("--url", metavar="URL", help="Test the node that is served at URL instead of a new one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page with plots.")
@click.pass_context
def load(
    context: click.Context,
    sessions: int,
    users: int | None,
    size: int,
    duration: float,
    warmup: float | None,
    in_flight: int | None,
    rate: float | None,
    stages: tuple[Stage, ...] | None,
    generators: int,
    thresholds: tuple[Threshold, ...],
    find_max: bool,
    seed: int,
    path: Path | None,
    url: str | None,
    as_json: bool,
    report: Path | None,
) -> None:
    """Load-test a node and verify its metrics against its log.

    Child processes send signed and encrypted messages; each send is three durable events. The closed model keeps a
    fixed number of sends in flight. The open model sends at a fixed rate, and its latencies count from when a send was
    due. Afterwards the command looks up every acknowledged send in the log and audits the log. For a node at --url, it
    verifies the signed pages of its scheduler instead, which takes longer than the load: about 2 ms for each send. The
    set-up waits where the node's limits refuse it; `mostao serve --spawn-limit none --append-limit none` has none.

    Exit code 0 if the log confirms the metrics and all thresholds hold, otherwise 1.

    \b
    Examples:
      mostao load --duration 30s --threshold 'p99<50ms'
      mostao load --find-max --threshold 'p99<50ms' --report load.html
      mostao load --url http://127.0.0.1:4100 --rate 500
    """
    if context.invoked_subcommand is not None:
        return
    require("load")
    if report is not None:
        require("report")
    if sum(given is not None for given in (in_flight, rate, stages)) > 1:
        raise click.UsageError("use only one of --in-flight (closed model), --rate and --stages (open model)")
    if find_max and not thresholds:
        raise click.UsageError("--find-max needs a --threshold, such as 'p99<50ms'")
    if find_max and (rate is not None or stages is not None):
        raise click.UsageError("--find-max chooses the rates itself: leave out --rate and --stages")
    people = users or 2 * sessions
    if sessions > sessions_max(people):
        raise click.UsageError(
            f"{people} users can have at most {sessions_max(people)} sessions, not {sessions}: take more --users"
        )
    if rate is not None:
        stages = (Stage(duration, rate),)
    seconds = sum(stage.seconds for stage in stages) if stages else duration
    if stages and not any(stage.rate for stage in stages):
        raise click.UsageError("the rate is 0 throughout: choose a higher --rate, or --stages with one")
    plan = Plan(
        sessions=sessions,
        users=people,
        content_bytes=size,
        seconds=seconds,
        warmup_s=seconds / 10 if warmup is None else warmup,
        in_flight=in_flight or 256,
        stages=stages or (),
        generators=min(generators, sessions),
        seed=seed,
    )
    if url is not None and path is not None:
        raise click.UsageError("the node at --url writes its own log: leave out --log")
    if url is not None and not is_url(url):
        raise click.BadParameter(f"{url!r} is not a URL: write one as http://127.0.0.1:4100", param_hint="'--url'")
    path = path or free_log("load")
    if url is None and path.exists():
        raise click.UsageError(f"{path} is there already: choose another --log, or remove it")
    if url is None:
        check_new_log(path)
    if report is not None:
        check_writable(report, log=path)
    try:
        loading = (
            _load(path, plan, thresholds, find_max) if url is None else _load_served(url, plan, thresholds, find_max)
        )
        figures, trials = uvloop.run(loading)
    except NotServed as error:
        raise click.ClickException(f"{error}: start the node, or choose another --url") from None
    except (LoadFailed, SetUpFailed) as error:
        raise click.ClickException(str(error)) from None
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    _print(figures, trials, url or str(path), as_json)
    if report is not None:
        write_report(report, figures, command_line=_command())
        click.echo(f"report: {report}", err=True)
    if figures.interrupted:
        context.exit(EXIT_INTERRUPTED)
    if not figures.valid or not all(figures.thresholds.values()):
        context.exit(EXIT_FINDING)


load.add_command(compare)


async def _load(path: Path, plan: Plan, thresholds: tuple[Threshold, ...], search: bool) -> tuple[Metrics, list[Trial]]:
    from simulations.cli.load_display import LiveLoad  # only the extra `load` installs its library

    with tempfile.TemporaryDirectory(prefix="mostao-load-") as folder:
        with LiveLoad(thresholds) as live:
            live.show_text(f"setting up {plan.users:,} people and {plan.sessions:,} sessions")
            async with bench(path, Path(folder), plan) as node:
                run, trials = await _run_load(node, plan, thresholds, search, live)
        with progress_bar("auditing", node.events) as bar:
            verified = await asyncio.to_thread(verify, path, node.acknowledged, bar.at)
    return metrics_of(run, verified, thresholds), trials


async def _load_served(
    url: str, plan: Plan, thresholds: tuple[Threshold, ...], search: bool
) -> tuple[Metrics, list[Trial]]:
    from simulations.cli.load_display import LiveLoad
    from simulations.load.served import served_bench, verify_served

    with tempfile.TemporaryDirectory(prefix="mostao-load-") as folder:
        with LiveLoad(thresholds) as live:
            live.show_text(f"setting up {plan.users:,} people and {plan.sessions:,} sessions")
            async with served_bench(url, Path(folder), plan, live.print) as (node, before):
                run, trials = await _run_load(node, plan, thresholds, search, live)
        handles = sorted({handle for talk in node.conversations for handle in talk.handles})
        with progress_bar("verifying", run.summary.accepted.total()) as bar:
            verified = await verify_served(url, node.acknowledged, handles, before, bar.at)
    return metrics_of(run, verified, thresholds, url=url), trials


async def _run_load(
    node: Bench, plan: Plan, thresholds: tuple[Threshold, ...], search: bool, live: "LiveLoad"
) -> tuple[Run, list[Trial]]:
    """Run the load test, or the trials of a search. Ctrl-C ends it early."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    try:
        if not search:
            return await node.run(plan, live.show_run), []
        trials = await find_max(node, plan, thresholds, live.show_run, live.show_trial)
        return _best(trials), trials
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def _best(trials: list[Trial]) -> Run:
    kept = [trial for trial in trials if trial.kept]
    return max(kept, key=lambda trial: trial.rate).run if kept else trials[-1].run


def _command() -> str:
    return shlex.join(["mostao", *sys.argv[1:]])


def _print(figures: Metrics, trials: list[Trial], target: str, as_json: bool) -> None:
    if as_json:
        fields = msgspec.to_builtins(figures) | ({} if figures.url else {"log": target})
        if trials:
            fields["trials"] = [{"rate": each.rate, "kept": each.kept, "p99_ms": each.p99_ms} for each in trials]
            fields["max_rate"] = max((each.rate for each in trials if each.kept), default=0.0)
        click.echo(msgspec.json.encode(fields))
        return
    click.echo(_text(figures, trials, target))


def _text(figures: Metrics, trials: list[Trial], target: str) -> str:
    lines = [
        title(figures),
        "",
        *(f"  {label:<11} {text}" for label, text in [*rows(figures), ("node at" if figures.url else "file", target)]),
    ]
    if trials:
        best = max((trial.rate for trial in trials if trial.kept), default=0.0)
        lines += ["", f"  Highest rate at which all thresholds hold: {best:,.0f} sends per second"]
    return "\n".join(lines)
