"""The data that the explorer's pages show: rows, labels, trees and states."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec

from actors.evaluation.process_table import ProcessTable
from actors.evaluation.state_codec import canonical_state
from actors.node.node import Node
from actors.protocol.canonical_json import check_depth
from actors.protocol.spawn import module_of
from eventstore import Assignment, LogFile

LABEL_CHARACTERS = 10
STATE_EVENTS_MAX = 20_000
"""Limit of messages that are evaluated to show a state."""
SHOWN_CHARACTERS_MAX = 64 * 1024
TREE_MAX = 200
"""Limit of messages in a tree."""


class Participant(NamedTuple):
    """The sender or target of a message: a process, or a wallet's address."""

    id: str
    label: str
    is_process: bool


class Row(NamedTuple):
    """A message as a row of a table."""

    sequence: int
    id: str
    time: str
    action: str
    sender: Participant
    process: Participant
    output: str | None
    error: str | None


class TreeNode(NamedTuple):
    """A message in a tree, whose messages are listed in the order in which they are shown."""

    row: Row
    is_parent: bool
    """Whether the next message of the list is its first child."""
    closes: int
    """Levels that end after this message."""


async def view_models_of(node: Node) -> Callable[[LogFile], "ViewModels"]:
    """Makes the view models of a log of a node, with the names of handles as they are now."""
    return partial(ViewModels, registry=node.registry, handle_of=await node.handle_names())


class ViewModels:
    """Reads the data of one page from a log.

    Args:
        log: the log.
        registry: process id of the log's registry.
        handle_of: maps a process to the name that the registry binds to it; empty if it binds none.
    """

    def __init__(self, log: LogFile, registry: str, handle_of: Callable[[str], str]) -> None:
        self._log, self._registry, self._handle_of = log, registry, handle_of
        self._participants: dict[str, Participant] = {}

    def row(self, assignment: Assignment) -> Row:
        """The row of an assignment."""
        message = assignment.message
        return Row(
            assignment.sequence,
            message.id,
            datetime.fromtimestamp(assignment.timestamp / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            message.action,
            self.participant(message.sender),
            self.participant(message.target),
            assignment.output,
            assignment.error,
        )

    def participant(self, id_: str) -> Participant:
        """A process, labelled by its name in the registry or its kind, or a wallet, labelled by its address."""
        if id_ not in self._participants:
            first = next(self._log.read_process(id_, limit=1), None)
            short = f"{id_[:LABEL_CHARACTERS]}…"
            self._participants[id_] = Participant(id_, self._label(first) if first else short, first is not None)
        return self._participants[id_]

    def newest(self, *, before: int, limit: int) -> list[Row]:
        """The last messages before a sequence, newest first."""
        rows = list(self._log.read(after=max(before - 1 - limit, 0), until=before - 1))
        return [self.row(row) for row in reversed(rows)]

    def of_process(self, process: str, *, before: int, limit: int) -> list[Row]:
        """The last messages of a process before a slot, newest first."""
        low = max(before - limit, 0)
        return [
            self.row(row) for row in reversed(list(self._log.read_process(process, from_slot=low, limit=before - low)))
        ]

    def tree(self, assignment: Assignment) -> tuple[list[TreeNode], bool]:
        """The whole tree that a message is part of, from its root, and whether the tree was cut at ``TREE_MAX``.

        The root is the message from outside that caused this one.
        """
        root = assignment
        while root.message.parent:
            root = next(self._log.read(after=root.message.parent - 1, until=root.message.parent))
        children: dict[int, list[Assignment]] = {root.sequence: []}
        queue, is_cut = deque([root]), False
        while queue and not is_cut:
            parent = queue.popleft()
            for child in self._log.children(parent.sequence):
                if len(children) == TREE_MAX:
                    is_cut = True
                    break
                children[parent.sequence].append(child)
                children[child.sequence] = []
                queue.append(child)
        return self._listed(root, children), is_cut

    def _listed(self, root: Assignment, children: dict[int, list[Assignment]]) -> list[TreeNode]:
        """The nodes in depth-first order. A list, because a template that recurses fails on a deep tree."""
        listed: list[TreeNode] = []
        stack = [(root, 0)]
        while stack:
            node, closes = stack.pop()  # closes: levels that end after the node and all that it caused
            below = children[node.sequence]
            listed.append(TreeNode(self.row(node), bool(below), 0 if below else closes))
            last = len(below) - 1
            for index in range(last, -1, -1):
                stack.append((below[index], closes + 1 if index == last else 0))
        return listed

    def state(self, process: str, *, at: int) -> str | None:
        """A process's state after an event, as indented JSON; None if its history is too long for a page."""
        head = self._log.process_head(process, until=at)
        if head is None or head.slot >= STATE_EVENTS_MAX:
            return None
        table = ProcessTable(self._log.payloads)
        for row in self._log.read_process(process, limit=head.slot + 1):
            table.evaluate(row)
        entry = table.entries[process].process
        return display_text(canonical_state(entry.state if entry else None))

    def _label(self, first: Assignment) -> str:
        """The label of a process, by its first message. The message itself could claim any name."""
        if first.process == self._registry:
            return "registry"
        kind = module_of(first.message).partition("@")[0].rpartition(".")[2]
        name = self._handle_of(first.process) if kind == "handle" else ""
        return f"@{name}" if name else f"{kind or 'process'} {first.process[:LABEL_CHARACTERS]}…"


def display_text(raw: bytes) -> str:
    """Bytes as text: JSON indented, other text unchanged, anything else in hex. Long text is cut."""
    try:
        check_depth(raw)
        text = msgspec.json.format(raw, indent=2).decode()
    except (msgspec.MsgspecError, ValueError):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.hex(" ", 4)
    rest = len(text) - SHOWN_CHARACTERS_MAX
    return text if rest <= 0 else f"{text[:SHOWN_CHARACTERS_MAX]}\n… and {rest:,} characters more"
