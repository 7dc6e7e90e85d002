"""Short names for ids, so that a listing can be read."""

from datetime import UTC, datetime

from actors.protocol.canonical_json import decode
from eventstore import Assignment

_SHORT = 8


class Labels:
    """Learns processes' names from the messages that spawned them: ``@alice``, ``registry``, ``session:Zk3…``."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def learn(self, assignment: Assignment) -> None:
        """Take note of a message, if it spawns a process."""
        if assignment.slot:
            return
        module = str(dict(decode(assignment.message.tags.encode())).get("Module", ""))
        kind = module.removeprefix("mostao.").partition("@")[0]
        label = f"{kind}:{assignment.process[:_SHORT]}"
        if kind == "registry":
            label = kind
        elif kind == "handle" and assignment.error is None:
            label = f"@{decode(assignment.message.data)['name']}"
        self._names[assignment.process] = label

    def of(self, address: str) -> str:
        """The name of a process, or a wallet's address cut short."""
        return self._names.get(address) or f"wallet:{address[:_SHORT]}"


def time_text(timestamp: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcome_text(assignment: Assignment) -> str:
    """What came of a message, in a few words."""
    if assignment.error is not None:
        return f"refused: {assignment.error}"
    return "" if assignment.output is None else assignment.output
