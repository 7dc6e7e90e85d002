"""A position in a log: a sequence or a time."""

from datetime import UTC, datetime

import click

from eventstore import read_log, sequence_at
from eventstore.engines import Location


class LogPosition(click.ParamType[int]):
    """Parses a sequence, or a time, which it returns as negated milliseconds."""

    name = "sequence or time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a number, or an ISO 8601 time (UTC if it has no offset)."""
        text = str(value)
        if text.isascii() and text.isdecimal():
            return int(text)
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a sequence nor a time such as 2026-01-01T00:10:00", param, ctx)
        timestamp = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
        return -max(timestamp, 1)  # no log is older than 1970, and a positive number would mean a sequence


LOG_POSITION = LogPosition()


def resolve_sequence(path: Location, point: int | None) -> int | None:
    """The sequence of a position; for a time, the sequence of the last event up to it."""
    if point is None or point >= 0:
        return point
    log = read_log(path)
    try:
        return sequence_at(log, -point)
    finally:
        log.close()
