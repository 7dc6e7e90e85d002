"""Short, readable labels for ids in listings."""

from datetime import UTC, datetime

from actors.protocol.canonical_json import decode
from eventstore import Assignment

_SHORT = 8


class Labels:
    """Labels of processes, from the messages that spawned them: ``@alice``, ``registry``, ``session:Zk3…``."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def add(self, assignment: Assignment) -> None:
        """Record the label of a process if this message spawns it."""
        if assignment.slot:
            return
        module = str(dict(decode(assignment.message.tags.encode())).get("Module", ""))
        kind = module.removeprefix("mostao.").partition("@")[0]
        label = f"{kind}:{assignment.process[:_SHORT]}"
        if kind == "registry":
            label = kind
        elif kind == "handle" and assignment.error is None:
            label = f"@{decode(assignment.message.data)['name']}"
        self._labels[assignment.process] = label

    def of(self, address: str) -> str:
        """The label of a process, or the start of a wallet's address."""
        return self._labels.get(address) or f"wallet:{address[:_SHORT]}"


def time_text(timestamp: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcome_text(assignment: Assignment) -> str:
    """The output of a message, or the reason of its refusal."""
    if assignment.error is not None:
        return f"refused: {assignment.error}"
    return "" if assignment.output is None else assignment.output
