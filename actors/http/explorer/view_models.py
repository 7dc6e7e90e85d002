"""What the pages for people show of a log: rows, names, trees, states."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from actors.evaluation.process_table import ProcessTable
from actors.evaluation.state_codec import canonical_state
from actors.protocol.spawn import module_of
from eventstore import Assignment, LogFile

LABEL_CHARACTERS = 10
STATE_EVENTS_MAX = 20_000
"""Messages that are evaluated for a state on a page."""
SHOWN_CHARACTERS_MAX = 64 * 1024
TREE_MAX = 200
"""Messages of a tree."""


class Named(NamedTuple):
    """Who sent a message, or got it."""

    id: str
    label: str
    is_process: bool


class Row(NamedTuple):
    """A message in a list."""

    sequence: int
    id: str
    time: str
    action: str
    sender: Named
    process: Named
    output: str | None
    error: str | None


class Branch(NamedTuple):
    """A message with what it caused."""

    row: Row
    children: list["Branch"]


class ViewModels:
    """Reads a log for one page."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._names: dict[str, Named] = {}

    def row(self, assignment: Assignment) -> Row:
        """A message as it is listed."""
        message = assignment.message
        return Row(
            assignment.sequence,
            message.id,
            datetime.fromtimestamp(assignment.timestamp / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            message.action,
            self.named(message.sender),
            self.named(message.target),
            assignment.output,
            assignment.error,
        )

    def named(self, id_: str) -> Named:
        """A process by what it is, an address by its beginning."""
        if id_ not in self._names:
            first = next(self._log.read_process(id_, limit=1), None)
            short = f"{id_[:LABEL_CHARACTERS]}…"
            self._names[id_] = Named(id_, _label(first) if first else short, first is not None)
        return self._names[id_]

    def newest(self, *, before: int, limit: int) -> list[Row]:
        """The last messages before a sequence, newest first."""
        rows = list(self._log.read(after=max(before - 1 - limit, 0), until=before - 1))
        return [self.row(row) for row in reversed(rows)]

    def of_process(self, process: str, *, before: int, limit: int) -> list[Row]:
        """The same of one process, before a slot."""
        low = max(before - limit, 0)
        return [
            self.row(row) for row in reversed(list(self._log.read_process(process, from_slot=low, limit=before - low)))
        ]

    def tree(self, assignment: Assignment) -> tuple[Branch, bool]:
        """All that the message from outside caused which this one goes back to; whether some of it was left out."""
        root = assignment
        while root.message.parent:
            root = next(self._log.read(after=root.message.parent - 1, until=root.message.parent))
        top = Branch(self.row(root), [])
        open_branches, count = [(root, top)], 1
        while open_branches:
            parent, branch = open_branches.pop(0)
            for child in self._log.children(parent.sequence):
                if count == TREE_MAX:
                    return top, True
                count += 1
                branch.children.append(Branch(self.row(child), []))
                open_branches.append((child, branch.children[-1]))
        return top, False

    def state(self, process: str, *, at: int) -> str | None:
        """A process's state after an event, as JSON for people; None where that takes too long."""
        head = self._log.process_head(process, until=at)
        if head is None or head.slot >= STATE_EVENTS_MAX:
            return None
        world = ProcessTable(self._log.payloads)
        for row in self._log.read_process(process, limit=head.slot + 1):
            world.evaluate(row)
        found = world.entries[process].process
        return readable(canonical_state(found.state if found else None))


def readable(raw: bytes) -> str:
    """Bytes for people: JSON with indentation, other text as it is, anything else in hex; not more than fits a page."""
    try:
        text = msgspec.json.format(raw, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.hex(" ", 4)
    rest = len(text) - SHOWN_CHARACTERS_MAX
    return text if rest <= 0 else f"{text[:SHOWN_CHARACTERS_MAX]}\n… and {rest:,} characters more"


def _label(first: Assignment) -> str:
    module = module_of(first.message)
    kind = module.partition("@")[0].rpartition(".")[2]
    if kind == "handle":
        try:
            return f"@{msgspec.json.decode(first.message.data, type=dict[str, str])['name']}"
        except (msgspec.MsgspecError, KeyError):
            pass
    return kind if kind == "registry" else f"{kind or 'process'} {first.process[:LABEL_CHARACTERS]}…"
