"""``mostao audit``: verifies a log, and names the statement from outside that vouches for it."""

import time
from collections.abc import Mapping
from typing import Any, TextIO

import click
import msgspec

from actors.audit.audit import audit as audit_log
from actors.audit.report import Audit
from actors.cli.log_location import LOG_LOCATION
from actors.cli.note_files import read_note
from actors.cli.progress import progress_bar
from actors.cli.replay import events_of
from actors.cli.statement_text import statement_json, statement_line
from actors.cli.witness_notes import held_notes
from actors.cli.witness_options import WITNESS_KEY_TEXT, WitnessUrl
from actors.evidence.checkpoints import VerifierKey
from eventstore import LogFault, LogMissing, LogUnusable
from eventstore.engines import Location

EXIT_FINDING = 1
_VALUE_MAX = 1_000
"""Characters of a value of a fault that are printed."""


@click.command()
@click.argument("path", metavar="LOG", type=LOG_LOCATION)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.File(),
    metavar="FILE",
    help="A checkpoint that you kept: verify that LOG still contains the log that it states. Repeatable.",
)
@click.option(
    "--witness",
    "witnesses",
    type=WitnessUrl(),
    multiple=True,
    metavar="URL",
    help="A witness: verify that LOG still contains the newest checkpoint that it cosigned. Repeatable.",
)
@click.option(
    "--witness-key",
    "witness_keys",
    type=WITNESS_KEY_TEXT,
    multiple=True,
    metavar="KEY",
    help="A witness's verifier key: its cosignatures of checkpoints count, also in LOG. Repeatable.",
)
@click.option("--no-signatures", is_flag=True, help="Skip signature checks (faster).")
@click.option("--all", "all_faults", is_flag=True, help="List every fault, not only the first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
@click.pass_context
def audit(
    context: click.Context,
    path: Location,
    checkpoints: tuple[TextIO, ...],
    witnesses: tuple[str, ...],
    witness_keys: tuple[VerifierKey, ...],
    no_signatures: bool,
    all_faults: bool,
    as_json: bool,
) -> None:
    """Verify LOG: every hash, signature, message and result.

    The command compares the file's tables with those of its format, checks every page and index, and replays the whole
    log. It checks both hash chains, order and time, every signature and sender's address, every message that a process
    sent, every result, the Merkle tree, every checkpoint and every snapshot.

    The last line names the statement from outside that vouches for LOG, or says that there is none. Without one, the
    audit proves that LOG is consistent and that its people signed its messages, but not that the messages are all
    there, in the order and at the times at which they were sent.

    Exit code 0 if no fault was found, 1 if a fault was found.

    \b
    Examples:
      mostao audit people.db
      mostao audit people.db --all --checkpoint kept.txt
      mostao audit people.db --witness https://witness.example.com
    """
    sources = {read_note(file): f"given by --checkpoint {file.name}" for file in checkpoints}
    known_keys = list(witness_keys)
    if witnesses:
        notes, known_keys = held_notes(path, witnesses, witness_keys)
        sources |= {note: f"held by the witness at {url}" for note, url in zip(notes, witnesses, strict=False)}
    begun = time.perf_counter()
    with progress_bar("auditing", _events_of(path)) as bar:
        report = audit_log(
            path,
            checkpoints=list(sources),
            witness_keys=known_keys,
            signatures=not no_signatures,
            all_faults=all_faults,
            progress=bar.at,
        )
    elapsed = time.perf_counter() - begun
    if not (report.events or report.faults):
        raise LogMissing(f"{path} holds no events")
    click.echo(_object(report, elapsed, sources) if as_json else _text(report, elapsed, sources))
    if report.faults:
        context.exit(EXIT_FINDING)


def _events_of(path: Location) -> int:
    """Number of events in a log, for the progress bar; 0 if it cannot be read: the audit reports why."""
    try:
        return events_of(path)
    except (LogMissing, LogUnusable):
        return 0


def _object(report: Audit, elapsed: float, sources: Mapping[str, str]) -> bytes:
    fields: dict[str, Any] = {name: getattr(report, name) for name in report.__struct_fields__ if name != "faults"}
    fields["statement"] = statement_json(report, sources)
    fields["elapsed_s"] = round(elapsed, 3)
    fields["integrity_s"] = round(report.integrity_s, 3)
    fields["events_per_s"] = round(report.events / elapsed, 1)
    fields["faults"] = [
        {
            "sequence": fault.sequence,
            "process": fault.process,
            "what": fault.what,
            "expected": _value(fault.expected),
            "found": _value(fault.found),
        }
        for fault in report.faults
    ]
    return msgspec.json.encode(fields)


def _text(report: Audit, elapsed: float, sources: Mapping[str, str]) -> str:
    outside = report.events - report.inside
    signed = (
        f"{report.signatures:,} signed messages, all signatures valid and all rows as signed"
        if report.signatures
        else f"{outside:,} messages, signatures not checked"
    )
    lines = [
        f"{report.events:,} events audited in {elapsed:.2f} s ({report.events / elapsed:,.0f} per second)",
        f"  file        tables as the format defines; every page and index entry, in {report.integrity_s:.2f} s",
        "  order       both hash chains, sequences, slots, time",
        f"  outside     {signed}",
        f"  inside      {report.inside:,} messages between processes, each sent by the evaluation of its parent",
        f"  processes   {report.spawns:,} started",
        f"  results     all equal to their evaluation, {report.refusals:,} of them refusals",
        f"  tree        all hashes; {report.checkpoints:,} checkpoints, signed by the log's node",
        f"  snapshots   {report.snapshots:,}, all equal to the replay",
    ]
    if report.unsent:
        lines.append(f"  tail        {report.unsent:,} messages were not yet assigned when the node stopped:")
        lines += [f"              {message}" for message in report.tail]
    lines += [f"  log head    {report.log_head}", f"  state root  {report.state_root}"]
    if not report.faults:
        return "\n".join([*lines, "No fault was found.", statement_line(report, sources)])
    return "\n".join([lines[0], *(_fault_text(fault) for fault in report.faults)])


def _fault_text(fault: LogFault) -> str:
    place = f" at sequence {fault.sequence}, process {fault.process}" if fault.sequence else ""
    return f"FAULT{place}: {fault.what}\n  expected  {_value(fault.expected)}\n  found     {_value(fault.found)}"


def _value(value: object) -> str:
    """A value of a fault: shortened, and without what would control a terminal, since a forger may have chosen it."""
    text = str(value)
    if len(text) > _VALUE_MAX:
        text = f"{text[:_VALUE_MAX]}… ({len(text):,} characters)"
    return text if all(character.isprintable() or character == "\n" for character in text) else repr(text)[1:-1]
