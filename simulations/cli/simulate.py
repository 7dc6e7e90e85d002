"""``mostao simulate``: simulates one day of a scenario, or many worlds with different seeds."""

import time
from pathlib import Path
from typing import Any

import click
import uvloop
from click.core import ParameterSource

from actors.ans104.wallet import Wallet, key_path
from actors.cli.extras import require
from actors.cli.paths import check_new_log, check_writable, free_log
from actors.cli.progress import progress_bar
from actors.runtime.child_process import cores
from eventstore import LogFault
from simulations.cli.seeds import Seeds, run_sweep
from simulations.cli.shrink import run_shrink
from simulations.cli.world_output import WorldOutput
from simulations.faults.crashable_node import StorageLoss
from simulations.faults.registry import parse_setting
from simulations.scenario.scenario import MESSAGES_MAX, USERS_MAX, Scenario, built_in, explain, load, override
from simulations.world.failure import failure_of
from simulations.world.invariants import Finding
from simulations.world.run import node_wallet, run_world

DEFAULT = "town"
EXIT_FINDING = 1


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        for name, scenario in built_in().items():
            click.echo(f"{name:<14} {scenario.description}")
        context.exit()


def _explain(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(explain())
        context.exit()


@click.command()
@click.argument("scenario", default=DEFAULT)
@click.option(
    "--users",
    type=click.IntRange(2, USERS_MAX),
    metavar="N",
    help="Number of people, instead of the scenario's.",
)
@click.option(
    "--messages",
    type=click.IntRange(0, MESSAGES_MAX),
    metavar="N",
    help="Number of messages in total, instead of the scenario's.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=VALUE",
    help="A fault to inject, such as drop=0.1 or crash_at_message=500,900 (see --explain). Repeatable.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="N",
    default=1,
    show_default=True,
    help="The same seed gives the same log, byte for byte.",
)
@click.option(
    "--seeds",
    type=Seeds(),
    help="Simulate one world for each seed, such as 1..500, and replay and audit each.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    default=cores,
    show_default="number of cores",
    help="Worlds that run at the same time, with --seeds or --shrink.",
)
@click.option(
    "--shrink",
    is_flag=True,
    help="Find the smallest population, number of messages and set of faults with which the world still fails.",
)
@click.option(
    "--shrink-worlds",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    default=400,
    show_default=True,
    help="Worlds that --shrink runs at most.",
)
@click.option(
    "--shrink-s",
    type=click.FloatRange(1, 1_000_000),
    metavar="SECONDS",
    default=600.0,
    show_default=True,
    help="Time after which --shrink starts no other world.",
)
@click.option(
    "--log",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The new log file.  [default: SCENARIO.db, or the next free SCENARIO-2.db, …]",
)
@click.option("--check", is_flag=True, help="Replay and audit the log afterwards; always done if there are faults.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the scenarios.")
@click.option(
    "--explain",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_explain,
    help="Describe every key of a scenario file.",
)
@click.pass_context
def simulate(
    context: click.Context,
    scenario: str,
    users: int | None,
    messages: int | None,
    faults: tuple[str, ...],
    seed: int,
    seeds: range | None,
    jobs: int,
    shrink: bool,
    shrink_worlds: int,
    shrink_s: float,
    path: Path | None,
    check: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """Simulate one day of SCENARIO (see --list).

    SCENARIO is a name from --list or a TOML file; the default is town. People register, find each other, exchange keys
    and send encrypted messages. Some are hostile: every attack must be refused. Each receiver decrypts its messages
    and compares them with what was sent. A third party tries to decrypt what it can see and must fail. Time is
    virtual, so a day takes seconds.

    Exit code 0 if all checks pass, 1 if one fails.

    \b
    Examples:
      mostao simulate
      mostao simulate churn --users 20 --messages 100 --report churn.html
      mostao simulate --users 20 --messages 150 --seeds 1..200
      mostao simulate churn --seed 17 --shrink
    """
    if seeds is None and not shrink and context.get_parameter_source("jobs") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--jobs needs --seeds or --shrink: one world runs in one process")
    effective = with_options(load(scenario), users, messages, faults)
    if shrink:
        if seeds is not None or path is not None or report is not None:
            raise click.UsageError("--shrink takes one --seed and keeps no log: leave out --seeds, --log and --report")
        if run_shrink(
            effective, scenario, seed, jobs=jobs, worlds_max=shrink_worlds, seconds_max=shrink_s, as_json=as_json
        ):
            context.exit(EXIT_FINDING)
        return
    for option in ("shrink_worlds", "shrink_s"):
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{option.replace('_', '-')} needs --shrink")
    if seeds is not None:
        if path is not None or report is not None:
            raise click.UsageError(
                "--seeds keeps the logs of worlds that fail, under names of their own: leave out --log and --report, or"
                " use --seed"
            )
        if context.get_parameter_source("seed") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--seeds and --seed exclude each other: leave out one of them")
        command = ["mostao", "simulate", scenario, *_options(users, messages, faults), "--check"]
        if run_sweep(effective, seeds, jobs, command, name=Path(scenario).stem, as_json=as_json):
            context.exit(EXIT_FINDING)
        return
    if report is not None:
        require("report")
    path = path or free_log(Path(scenario).stem)
    check_new_log(path)
    _check_key(path, seed)
    if report is not None:
        check_writable(report, log=path)
    is_checked = check or effective.faults.any
    repeat_command = ["mostao", "simulate", scenario, *_options(users, messages, faults), "--seed", str(seed)]
    output = WorldOutput(scenario, seed, path, repeat_command + ["--check"] * check)
    begun = time.perf_counter()
    try:
        with progress_bar("simulating", effective.talk.messages) as bar:
            result = uvloop.run(run_world(effective, seed=seed, path=path, progress=bar.advance, checked=is_checked))
    except KeyboardInterrupt:
        if report is not None and path.exists():
            output.write_report(report)
        if path.exists():
            click.echo(f"all messages that the node acknowledged are in {path}", err=True)
        raise
    except StorageLoss as loss:
        output.end_early(loss, elapsed_s=time.perf_counter() - begun)
    except (Finding, LogFault) as error:
        output.fail(failure_of(error, path), elapsed_s=time.perf_counter() - begun)
    else:
        output.finish(result, elapsed_s=time.perf_counter() - begun, checked=is_checked)
    output.print(as_json=as_json)
    if report is not None:
        output.write_report(report)
    if output.has_failed:
        context.exit(EXIT_FINDING)


def with_options(scenario: Scenario, users: int | None, messages: int | None, faults: tuple[str, ...]) -> Scenario:
    """The scenario with the values of the command line's options.

    Raises:
        ScenarioUnusable: a value is invalid for the scenario.
        UsageError: a fault is malformed.
    """
    changes: dict[str, dict[str, Any]] = {"faults": dict(map(_fault, faults))}
    if users is not None:
        changes["population"] = {"users": users}
    if messages is not None:
        changes["talk"] = {"messages": messages}
    return override(scenario, changes)


def _options(users: int | None, messages: int | None, faults: tuple[str, ...]) -> list[str]:
    """The options of the command line that repeats a world."""
    options = [] if users is None else ["--users", str(users)]
    options += [] if messages is None else ["--messages", str(messages)]
    return options + [part for fault in faults for part in ("--fault", fault)]


def _fault(text: str) -> tuple[str, Any]:
    try:
        return parse_setting(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_key(path: Path, seed: int) -> None:
    key = key_path(path)
    if key.exists() and not path.exists() and Wallet.load(key).address != node_wallet(seed).address:
        raise click.UsageError(f"{key} is the key of another log's node: move it away, or choose another --log")
