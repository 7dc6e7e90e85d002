"""``mostao audit``: does the log tell the truth?"""

import time
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from actors.audit.audit import Audit
from actors.audit.audit import audit as audit_log
from actors.cli.note_files import read_note
from actors.cli.progress import progress_bar
from actors.cli.replay import events_of
from eventstore import LogFault

EXIT_FINDING = 1


@click.command()
@click.argument("path", metavar="LOG", type=click.Path(path_type=Path))
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.File(),
    metavar="FILE",
    help="A checkpoint that you kept: LOG has to be the log that it speaks of. May be given several times.",
)
@click.option("--no-signatures", is_flag=True, help="Take on trust what messages from outside say, and be done sooner.")
@click.option("--all", "all_faults", is_flag=True, help="Go on after the first fault, and list every one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
@click.pass_context
def audit(
    context: click.Context,
    path: Path,
    checkpoints: tuple[TextIO, ...],
    no_signatures: bool,
    all_faults: bool,
    as_json: bool,
) -> None:
    """Check everything that LOG says of itself: exit code 0 if it is true, 1 if a fault was found.

    The whole history is run again: both hash chains, order and time, every signature and sender's address, every
    message that any process ever sent, every answer and every refusal, the Merkle tree, every checkpoint and
    every snapshot.
    """
    begun = time.perf_counter()
    with progress_bar("auditing", events_of(path)) as bar:
        report = audit_log(
            path,
            checkpoints=[read_note(file) for file in checkpoints],
            signatures=not no_signatures,
            all_faults=all_faults,
            progress=bar.at,
        )
    elapsed = time.perf_counter() - begun
    click.echo(_object(report, elapsed) if as_json else _text(report, elapsed))
    if report.faults:
        context.exit(EXIT_FINDING)


def _object(report: Audit, elapsed: float) -> bytes:
    figures: dict[str, Any] = {name: getattr(report, name) for name in report.__struct_fields__ if name != "faults"}
    figures["elapsed_s"] = round(elapsed, 3)
    figures["events_per_s"] = round(report.events / elapsed, 1)
    figures["faults"] = [
        {
            "sequence": fault.sequence,
            "process": fault.process,
            "what": fault.what,
            "expected": str(fault.expected),
            "found": str(fault.found),
        }
        for fault in report.faults
    ]
    return msgspec.json.encode(figures)


def _text(report: Audit, elapsed: float) -> str:
    outside = report.events - report.inside
    signed = (
        f"{report.signatures:,} signed messages, each genuine and shown as it was signed"
        if report.signatures
        else f"{outside:,} messages, whose signatures were not looked at"
    )
    lines = [
        f"{report.events:,} events audited in {elapsed:.2f} s ({report.events / elapsed:,.0f} per second)",
        "  order       both hash chains, sequences, slots, time",
        f"  outside     {signed}",
        f"  inside      {report.inside:,} messages between processes, each what the evaluation of its parent sent",
        f"  processes   {report.spawns:,} start_process",
        f"  answers     each as its evaluation gave it, {report.refusals:,} of them refusals",
        f"  tree        each hash of it; {report.checkpoints:,} checkpoints, signed by the log's node",
        f"  snapshots   {report.snapshots:,}, each what the replay gave",
    ]
    if report.unsent:
        lines.append(f"  tail        {report.unsent:,} messages were on their way when the node stopped:")
        lines += [f"              {message}" for message in report.tail]
    lines += [f"  log head    {report.log_head}", f"  state root  {report.state_root}"]
    if not report.faults:
        return "\n".join([*lines, "No fault was found."])
    return "\n".join([lines[0], *(_fault_text(fault) for fault in report.faults)])


def _fault_text(fault: LogFault) -> str:
    return (
        f"FAULT at sequence {fault.sequence}, process {fault.process}: {fault.what}\n"
        f"  expected  {fault.expected}\n"
        f"  found     {fault.found}"
    )
