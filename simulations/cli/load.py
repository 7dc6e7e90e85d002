"""``mostao load``: how much a node takes, and how long it makes people wait."""

import asyncio
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from actors.cli.paths import check_writable, free_log
from actors.cli.progress import progress_bar
from simulations.cli.load_compare import compare
from simulations.cli.load_display import LiveLoad
from simulations.load.connect import NotServed, is_url
from simulations.load.labels import rows, title
from simulations.load.metrics import Figures, figures_of
from simulations.load.people import SetUpFailed, sessions_max
from simulations.load.plan import Plan, Stage, parse_duration, parse_rate, parse_stages
from simulations.load.report import write_report
from simulations.load.run import Bench, LoadFailed, Run, bench
from simulations.load.search import Trial, find_max
from simulations.load.thresholds import Threshold, parse_threshold
from simulations.load.verify import verify

EXIT_FINDING = 1
EXIT_INTERRUPTED = 130
SESSIONS_MAX = 1_000_000


class _Text(click.ParamType[Any]):
    """An option that is read by a function, whose refusal is the option's."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), parameter, context)


_DURATION = _Text("DURATION", parse_duration)


@click.group(invoke_without_command=True)
@click.option("--sessions", type=click.IntRange(1, SESSIONS_MAX), default=1000, show_default=True)
@click.option("--users", type=click.IntRange(2, SESSIONS_MAX), help="People in them.  [default: two for each session]")
@click.option("--size", type=click.IntRange(0, 50_000), default=240, show_default=True, help="Bytes of a message.")
@click.option("--duration", type=_DURATION, default="10s", show_default=True, help="How long is measured.")
@click.option("--warmup", type=_DURATION, help="How long load is made before.  [default: a tenth of the duration]")
@click.option("--in-flight", type=click.IntRange(1, 4096), help="Closed model: so many sends wait.  [default: 256]")
@click.option("--rate", type=_Text("RATE", parse_rate), help="Open model: so many sends a second, answered or not.")
@click.option(
    "--stages",
    type=_Text("STAGES", parse_stages),
    help="Open model: 10s at 1000, then in 30s up to 5000: 10s:1000,30s:5000.",
)
@click.option(
    "--generators", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that make load."
)
@click.option(
    "--threshold",
    "thresholds",
    type=_Text("THRESHOLD", parse_threshold),
    multiple=True,
    help="What has to be kept, as in 'p99<50ms', 'errors<1%', 'sends_per_s>1000', 'rss<500MB'. Several may be given.",
)
@click.option("--find-max", is_flag=True, help="Find the highest rate that keeps the thresholds.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True)
@click.option(
    "--log",
    "path",
    type=click.Path(path_type=Path),
    help="File of the event log; it must not hold a world yet.  [default: load.db, or the next free load-2.db, …]",
)
@click.option("--url", metavar="URL", help="A node that is served, instead of one that is started for the test.")
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
    """Load a node with sends, from processes of their own, and let its log confirm what was counted.

    Each send is a signed and encrypted message, three durable events. Latencies of the open model count from when a
    send was due. Afterwards every acknowledged send is looked up in the log, and the log is audited; figures that this
    does not confirm are no result (exit code 1, as for a threshold that was not kept). Of a node at a --url, the signed
    pages of its scheduler take the place of the log.
    """
    if context.invoked_subcommand is not None:
        return
    if sum(given is not None for given in (in_flight, rate, stages)) > 1:
        raise click.UsageError("choose one of --in-flight (closed model), --rate and --stages (open model)")
    if find_max and (not thresholds or rate is not None or stages is not None):
        raise click.UsageError("--find-max needs a --threshold such as 'p99<50ms', and tries rates of its own")
    people = users or 2 * sessions
    if sessions > sessions_max(people):
        raise click.UsageError(f"{people} users have {sessions_max(people)} sessions at most, not {sessions}")
    if rate is not None:
        stages = (Stage(duration, rate),)
    seconds = sum(stage.seconds for stage in stages) if stages else duration
    if stages and not any(stage.rate for stage in stages):
        raise click.UsageError("a rate of 0 is no load")
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
        raise click.UsageError("a node at a --url keeps a log of its own: leave out --log")
    if url is not None and not is_url(url):
        raise click.BadParameter(f"{url!r} is no address: write one as http://127.0.0.1:4100", param_hint="'--url'")
    path = path or free_log("load")
    if url is None and path.exists():
        raise click.UsageError(f"{path} is there already: choose another --log, or remove it")
    if report is not None:
        check_writable(report)
    try:
        loading = (
            _load(path, plan, thresholds, find_max) if url is None else _load_served(url, plan, thresholds, find_max)
        )
        figures, trials = uvloop.run(loading)
    except (LoadFailed, SetUpFailed, NotServed) as error:
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


async def _load(path: Path, plan: Plan, thresholds: tuple[Threshold, ...], search: bool) -> tuple[Figures, list[Trial]]:
    with tempfile.TemporaryDirectory(prefix="mostao-load-") as folder:
        with LiveLoad(thresholds) as live:
            live.say(f"setting up {plan.users:,} people and {plan.sessions:,} sessions")
            async with bench(path, Path(folder), plan) as node:
                run, trials = await _make(node, plan, thresholds, search, live)
        with progress_bar("auditing", node.events) as bar:
            verified = await asyncio.to_thread(verify, path, node.acknowledged, bar.at)
    return figures_of(run, verified, thresholds), trials


async def _load_served(
    url: str, plan: Plan, thresholds: tuple[Threshold, ...], search: bool
) -> tuple[Figures, list[Trial]]:
    from simulations.load.served import served_bench, verify_served

    with tempfile.TemporaryDirectory(prefix="mostao-load-") as folder:
        async with served_bench(url, Path(folder), plan) as (node, before):
            with LiveLoad(thresholds) as live:
                run, trials = await _make(node, plan, thresholds, search, live)
            handles = sorted({handle for talk in node.talks for handle in talk.handles})
            with progress_bar("verifying", run.summary.accepted.total()) as bar:
                verified = await verify_served(url, node.acknowledged, handles, before, bar.at)
    return figures_of(run, verified, thresholds, url=url), trials


async def _make(
    node: Bench, plan: Plan, thresholds: tuple[Threshold, ...], search: bool, live: LiveLoad
) -> tuple[Run, list[Trial]]:
    """Make the load; Ctrl-C ends it early."""
    making = asyncio.current_task()
    assert making is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, making.cancel)
    try:
        if not search:
            return await node.run(plan, live.watch), []
        trials = await find_max(node, plan, thresholds, live.watch, live.tried)
        return _best(trials), trials
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


def _best(trials: list[Trial]) -> Run:
    kept = [trial for trial in trials if trial.kept]
    return max(kept, key=lambda trial: trial.rate).run if kept else trials[-1].run


def _command() -> str:
    return shlex.join(["mostao", *sys.argv[1:]])


def _print(figures: Figures, trials: list[Trial], place: str, as_json: bool) -> None:
    if as_json:
        found = msgspec.to_builtins(figures) | ({} if figures.url else {"log": place})
        if trials:
            found["trials"] = [{"rate": one.rate, "kept": one.kept, "p99_ms": one.p99_ms} for one in trials]
            found["max_rate"] = max((one.rate for one in trials if one.kept), default=0.0)
        click.echo(msgspec.json.encode(found))
        return
    click.echo(_text(figures, trials, place))


def _text(figures: Figures, trials: list[Trial], place: str) -> str:
    lines = [
        title(figures),
        "",
        *(f"  {label:<11} {text}" for label, text in [*rows(figures), ("node at" if figures.url else "file", place)]),
    ]
    if trials:
        best = max((trial.rate for trial in trials if trial.kept), default=0.0)
        lines += ["", f"  Highest rate that keeps every threshold: {best:,.0f} sends per second"]
    return "\n".join(lines)
