"""What ``mostao simulate`` prints of one world, as text or as JSON, and the page that it writes."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from eventstore import EventStoreError, read_log
from simulations.faults.crashable_node import StorageLoss
from simulations.report.world import write_world
from simulations.world.failure import Failure
from simulations.world.relation_town import RelationOutcome
from simulations.world.run import WorldResult

Rows = list[tuple[str, str]]


class WorldOutput:
    """The output of one world.

    Args:
        scenario: name of the scenario.
        seed: of the world.
        log: the log of the world.
        repeat_command: the words of the command line that repeats the world.

    Attributes:
        has_failed: whether the world ended with a finding.
    """

    def __init__(self, scenario: str, seed: int, log: Path, repeat_command: Sequence[str]) -> None:
        self._scenario, self._seed, self._log = scenario, seed, log
        self._repeat = shlex.join(repeat_command)
        self._fields: dict[str, Any] = {}
        self._title = f"One day of {scenario}, seed {seed}, interrupted"
        self._rows: Rows = [("log", str(log))]
        self._commands = [f"mostao audit {shlex.quote(str(log))}", f"mostao trace {shlex.quote(str(log))} 100"]
        self._last_lines: list[str] = []
        self._result: WorldResult | None = None
        self.has_failed = False

    def finish(self, result: WorldResult, *, elapsed_s: float, checked: bool) -> None:
        """Describe a world that ended with all checks passed."""
        summary = self._summary(result.events, elapsed_s) | {
            "crashes": result.crashes,
            "log_head": result.log_head,
            "state_root": result.state_root,
            "checked": checked,
            "finding": None,
            "ended_early": None,
        }
        outcome = result.outcome._asdict() | {"relation": result.outcome.relation._asdict()}
        self._fields = outcome | summary
        self._title = f"One day of {self._scenario} with {result.outcome.users:,} people, seed {self._seed}"
        self._rows = _rows(result, summary)
        self._result = result
        command = f"mostao replay {shlex.quote(str(self._log))}"
        self._last_lines = [f"Rebuild every state from the log alone and get the same state root:  {command}"]

    def fail(self, failure: Failure, *, elapsed_s: float) -> None:
        """Describe a world that ended with a finding."""
        self.has_failed = True
        events = _events(self._log)
        commands = failure.commands(self._log)
        finding = {
            "text": failure.text,
            "kind": failure.kind,
            "sequence": failure.sequence,
            "process": failure.process,
            "commands": commands,
        }
        self._fields = self._summary(events, elapsed_s) | {"checked": False, "finding": finding, "ended_early": None}
        self._title = f"One day of {self._scenario}, seed {self._seed}, ended with a finding"
        self._rows = [
            ("finding", failure.text),
            *([("sequence", f"{failure.sequence:,}")] if failure.sequence is not None else []),
            *([("process", failure.process)] if failure.process else []),
            ("events", f"{events:,} in {elapsed_s:.1f} s"),
            ("log", str(self._log)),
        ]
        self._commands = commands
        self._last_lines = ["Show this moment:", *(f"  {command}" for command in commands)]
        self._last_lines += ["Repeat it with a new log:", f"  {self._repeat}"]

    def end_early(self, loss: StorageLoss, *, elapsed_s: float) -> None:
        """Describe a world that its damaged storage ended, which is no finding."""
        ended = {"how": loss.how, "reason": str(loss)}
        self._fields = self._summary(loss.events, elapsed_s) | {
            "crashes": loss.crashes,
            "checked": False,
            "finding": None,
            "ended_early": ended,
        }
        self._title = f"One day of {self._scenario}, seed {self._seed}, ended by its storage"
        self._rows = [("ended early", loss.summary), ("reason", str(loss))]
        self._rows += [("crashes", f"{loss.crashes:,}"), ("events", f"{loss.events:,}"), ("log", str(self._log))]
        self._last_lines = ["Repeat it with a new log:", f"  {self._repeat}"]

    def print(self, *, as_json: bool) -> None:
        """Print the world to standard output."""
        if as_json:
            click.echo(msgspec.json.encode(self._fields))
            return
        lines = [self._title, "", *(f"  {name:<17} {value}".rstrip() for name, value in self._rows)]
        click.echo("\n".join([*lines, "", *self._last_lines]))

    def write_report(self, report: Path) -> None:
        """Write the page of the world, or of the part of it that happened."""
        write_world(
            report,
            self._log,
            title=self._title,
            rows=self._rows,
            commands=[self._repeat, *self._commands],
            read_after_s=self._result.read_after_s if self._result else [],
            answered_ms=self._result.answered_ms if self._result else [],
        )
        click.echo(f"report: {report}", err=True)

    def _summary(self, events: int, elapsed_s: float) -> dict[str, Any]:
        return {
            "scenario": self._scenario,
            "seed": self._seed,
            "events": events,
            "log": str(self._log),
            "elapsed_s": round(elapsed_s, 3),
            "events_per_s": round(events / elapsed_s, 1),
        }


def _events(path: Path) -> int:
    """Number of events in a log, which a fault may have left unreadable."""
    try:
        log = read_log(path)
    except EventStoreError:
        return 0
    try:
        return log.head().sequence
    finally:
        log.close()


def _rows(result: WorldResult, summary: dict[str, Any]) -> Rows:
    outcome = result.outcome
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
                    f"{outcome.groups + outcome.relation.groups:,}, members read messages only of their own time",
                )
            ]
            if outcome.groups + outcome.relation.groups
            else []
        ),
        *([("Relation ONE", _relation(outcome.relation))] if outcome.relation.people else []),
        ("hostile attempts", f"{outcome.hostile_attempts:,}, {outcome.hostile_refused:,} refused"),
        *([("", f"({kinds})")] if kinds else []),
        (
            "third party",
            f"{outcome.third_party_attempts:,} attempts to decrypt, {outcome.third_party_opened:,} succeeded",
        ),
        *([("crashes", f"{result.crashes:,} of the node, no acknowledged message lost")] if result.crashes else []),
        (
            "events",
            f"{summary['events']:,} in {summary['elapsed_s']:.1f} s ({summary['events_per_s']:,.0f} per second)",
        ),
        ("log", summary["log"]),
        ("log head", summary["log_head"]),
        ("state root", summary["state_root"]),
        *([("checked", "the log replays to this state, and the audit found no fault")] if summary["checked"] else []),
    ]


def _relation(outcome: RelationOutcome) -> str:
    return (
        f"{outcome.people:,} people; {outcome.renewed:,} session keys expired, {outcome.moved:,} moves to another"
        f" proxy; {outcome.packed:,} messages read back from {outcome.packs:,} packs"
    )
