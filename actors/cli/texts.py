"""Times and outcomes as text. A command that names no process does not need ``labels``, which loads the processes."""

from datetime import UTC, datetime

from eventstore import Assignment


def time_text(timestamp: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcome_text(assignment: Assignment) -> str:
    """The output of a message, or the reason of its refusal."""
    if assignment.error is not None:
        return f"refused: {assignment.error}"
    return "" if assignment.output is None else assignment.output
