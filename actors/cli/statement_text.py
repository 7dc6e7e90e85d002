"""Describes the statement from outside that vouches for a log, as the last line of an audit and as JSON."""

from collections.abc import Mapping
from typing import Any

from actors.audit.report import Audit
from actors.cli.texts import time_text
from actors.evidence.cosignatures import Cosignature

_STORED = "stored in the log"
NO_STATEMENT = (
    "No external statement vouches for this log: no file alone shows whether messages were left out, reordered, redated"
    " or cut off before all hashes were computed again. Pass a checkpoint that you kept with --checkpoint, or a witness"
    " with --witness."
)


def statement_line(report: Audit, sources: Mapping[str, str]) -> str:
    """The last line of an audit that found no fault.

    Args:
        report: the audit.
        sources: where each note comes from that is not stored in the log, such as "given by --checkpoint kept.txt".
    """
    statement = report.statement
    if statement is None:
        return NO_STATEMENT
    size = statement.checkpoint.size
    cosigned = "".join(f", cosigned by witness {each.key.name} at {_time(each)}" for each in statement.cosignatures)
    covered = f"events 1..{size}" if size else "no event"
    rest = "" if size == report.events else f"; events {size + 1}..{report.events} have no external statement"
    return (
        f"The checkpoint of {size} events {sources.get(statement.note, _STORED)}, signed by {statement.key}{cosigned},"
        f" vouches for {covered}{rest}."
    )


def statement_json(report: Audit, sources: Mapping[str, str]) -> dict[str, Any] | None:
    """The same as a JSON object; None if there is no statement."""
    statement = report.statement
    if statement is None:
        return None
    return {
        "events": statement.checkpoint.size,
        "source": sources.get(statement.note, _STORED),
        "signed_by": str(statement.key),
        "cosigned_by": [{"witness": each.key.name, "time": _time(each)} for each in statement.cosignatures],
        "events_without_statement": report.events - statement.checkpoint.size,
    }


def _time(cosignature: Cosignature) -> str:
    return time_text(cosignature.timestamp * 1000)
