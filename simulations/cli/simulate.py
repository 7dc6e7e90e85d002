"""``mostao simulate``: the main job."""

import shlex
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from actors.ans104.wallet import Wallet, key_path
from actors.cli.paths import check_writable, free_log
from actors.cli.progress import progress_bar
from actors.runtime.child_process import cores
from simulations.cli.seeds import Seeds, run_sweep
from simulations.report.world import write_world
from simulations.scenario.scenario import MESSAGES_MAX, USERS_MAX, Scenario, built_in, explain, load, override
from simulations.world.relation_town import RelationOutcome
from simulations.world.run import WorldResult, live, node_wallet

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
@click.option("--users", type=click.IntRange(2, USERS_MAX), help="People, in place of the scenario's.")
@click.option("--messages", type=click.IntRange(0, MESSAGES_MAX), help="Messages in all, in place of the scenario's.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=VALUE",
    help="A fault, in place of the scenario's: drop=0.1, crash_at_message=500,900 (see --explain).",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="The same seed gives the same log, byte for byte.",
)
@click.option("--seeds", type=Seeds(), help="Many worlds, one for each seed: 1..500. Each is replayed and audited.")
@click.option("--jobs", type=click.IntRange(1, 256), default=cores, show_default="cores", help="Worlds at a time.")
@click.option(
    "--log",
    "path",
    type=click.Path(path_type=Path),
    help="File of the event log; it must not hold a world yet.  [default: town.db, or the next free town-2.db, …]",
)
@click.option("--check", is_flag=True, help="Replay and audit the log afterwards; done anyway where there are faults.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the scenarios.")
@click.option(
    "--explain", is_flag=True, is_eager=True, expose_value=False, callback=_explain, help="Show what a file may say."
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
    path: Path | None,
    check: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """Live a day of SCENARIO (a name of --list, or a TOML file; without one, town).

    People find each other, exchange keys and talk in ciphertext. Some of them mean harm: every attempt has to be
    refused. Every message is decrypted by its receiver and compared with what was sent, and a third party tries to open
    what it can see. Time is virtual: nobody waits for the clock.
    """
    day = changed(load(scenario), users, messages, faults)
    if seeds is not None:
        if path is not None or report is not None:
            raise click.UsageError("--seeds keeps no logs: leave --log and --report out, or take one --seed")
        command = ["mostao", "simulate", scenario, *_given(users, messages, faults), "--check"]
        if not run_sweep(day, seeds, jobs, command, as_json=as_json):
            context.exit(EXIT_FINDING)
        return
    path = path or free_log(Path(scenario).stem)
    _check_key(path, seed)
    if report is not None:
        check_writable(report)
    begun = time.perf_counter()
    again = ["mostao", "simulate", scenario, *_given(users, messages, faults), "--seed", str(seed)]
    try:
        with progress_bar("talking", day.talk.messages) as bar:
            lived = uvloop.run(live(day, seed=seed, path=path, progress=bar.advance, checked=check or day.faults.any))
    except KeyboardInterrupt:
        if report is not None and path.exists():
            _write_report(report, path, f"A day of {scenario}, interrupted", [("log", str(path))], again)
        raise
    elapsed = time.perf_counter() - begun
    figures = {
        "scenario": scenario,
        "seed": seed,
        "events": lived.events,
        "crashes": lived.crashes,
        "log": str(path),
        "log_head": lived.log_head,
        "state_root": lived.state_root,
        "elapsed_s": round(elapsed, 3),
        "events_per_s": round(lived.events / elapsed, 1),
        "checked": check or day.faults.any,
    }
    if as_json:
        outcome = lived.outcome._asdict() | {"relation": lived.outcome.relation._asdict()}
        click.echo(msgspec.json.encode(outcome | figures))
    else:
        click.echo(_text(lived, figures))
    if report is not None:
        _write_report(report, path, _title(lived, figures), _rows(lived, figures), again, lived)


def changed(scenario: Scenario, users: int | None, messages: int | None, faults: tuple[str, ...]) -> Scenario:
    """The scenario with what the command line says in place of what it says itself.

    Raises:
        ScenarioUnusable: what it says is no value of a scenario.
        UsageError: a fault is not written as one.
    """
    changes: dict[str, dict[str, Any]] = {"faults": dict(map(_fault, faults))}
    if users is not None:
        changes["population"] = {"users": users}
    if messages is not None:
        changes["talk"] = {"messages": messages}
    return override(scenario, changes)


def _given(users: int | None, messages: int | None, faults: tuple[str, ...]) -> list[str]:
    """The options of a command line that makes the same world."""
    given = [] if users is None else ["--users", str(users)]
    given += [] if messages is None else ["--messages", str(messages)]
    return given + [part for fault in faults for part in ("--fault", fault)]


def _fault(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        many = name.strip().startswith("crash_at")
        parsed = msgspec.json.decode(f"[{value}]" if many else value)
    except msgspec.DecodeError:
        equals = ""
    if not equals:
        raise click.UsageError(f"{text!r} is no fault: write a name and a number, as in drop=0.1")
    return name.strip(), parsed


def _check_key(path: Path, seed: int) -> None:
    key = key_path(path)
    if key.exists() and not path.exists() and Wallet.load(key).address != node_wallet(seed).address:
        raise click.UsageError(f"{key} is the key of another log's node: move it away, or choose another --log")


def _write_report(
    report: Path,
    path: Path,
    title: str,
    rows: list[tuple[str, str]],
    again: list[str],
    lived: WorldResult | None = None,
) -> None:
    """The page of a world, or of what there is of one that was interrupted."""
    log = shlex.quote(str(path))
    write_world(
        report,
        path,
        title=title,
        rows=rows,
        commands=[shlex.join(again), f"mostao audit {log}", f"mostao trace {log} 100"],
        read_after_s=lived.read_after_s if lived else [],
        answered_ms=lived.answered_ms if lived else [],
    )
    click.echo(f"report: {report}", err=True)


def _title(lived: WorldResult, figures: dict[str, Any]) -> str:
    return f"One day of {figures['scenario']} with {lived.outcome.users:,} people, seed {figures['seed']}"


def _rows(lived: WorldResult, figures: dict[str, Any]) -> list[tuple[str, str]]:
    outcome = lived.outcome
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in outcome.refusals.items())
    return [
        ("people", f"{outcome.users:,}"),
        ("handles", f"{outcome.handles:,}"),
        ("sessions", f"{outcome.sessions:,}"),
        ("key generations", f"{outcome.generations:,}"),
        (
            "messages",
            f"{outcome.messages_sent:,} sent, {outcome.messages_read:,} decrypted by their receivers as written",
        ),
        *(
            [
                (
                    "groups",
                    f"{outcome.groups + outcome.relation.groups:,}, newcomers read from then on, leavers no further",
                )
            ]
            if outcome.groups + outcome.relation.groups
            else []
        ),
        *([("Relation ONE", _relation(outcome.relation))] if outcome.relation.people else []),
        ("hostile attempts", f"{outcome.hostile_attempts:,}, {outcome.hostile_refused:,} refused"),
        *([("", f"({kinds})")] if kinds else []),
        ("third party", f"{outcome.third_party_attempts:,} attempts to open, {outcome.third_party_opened:,} succeeded"),
        *([("crashes", f"{lived.crashes:,} of the node, and nothing acknowledged was lost")] if lived.crashes else []),
        (
            "events",
            f"{figures['events']:,} in {figures['elapsed_s']:.1f} s ({figures['events_per_s']:,.0f} per second)",
        ),
        ("log", figures["log"]),
        ("log head", figures["log_head"]),
        ("state root", figures["state_root"]),
        *([("checked", "the log replays to this state, and its audit is clean")] if figures["checked"] else []),
    ]


def _relation(outcome: RelationOutcome) -> str:
    return (
        f"{outcome.people:,} people; {outcome.renewed:,} session keys ran out, {outcome.moved:,} moves to another"
        f" proxy; {outcome.packed:,} messages read back from {outcome.packs:,} packs"
    )


def _text(lived: WorldResult, figures: dict[str, Any]) -> str:
    lines = [_title(lived, figures), ""]
    lines += [f"  {name:<17} {value}".rstrip() for name, value in _rows(lived, figures)]
    command = f"mostao replay {shlex.quote(figures['log'])}"
    lines += ["", f"Rebuild every state from the log alone, and get the same state root:  {command}"]
    return "\n".join(lines)
