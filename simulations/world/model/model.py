"""The model of a whole log: predicts every assignment that a message causes."""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from actors.protocol.derived_ids import sent_id
from eventstore import Assignment
from simulations.world.model.group import GroupModel
from simulations.world.model.handle import HandleModel
from simulations.world.model.key_keeper import KeyKeeperModel
from simulations.world.model.process import Body, Expected, NotModelled, ProcessModel, Received, Refused, Sent, Started
from simulations.world.model.registry import RegistryModel
from simulations.world.model.relation import RelationModel
from simulations.world.model.relation_services import ArchiveModel, ProxyModel
from simulations.world.model.session import SessionModel

MODELS: dict[str, type[ProcessModel]] = {
    "mostao.registry": RegistryModel,
    "mostao.handle": HandleModel,
    "mostao.session": SessionModel,
    "mostao.group": GroupModel,
    "mostao.relation": RelationModel,
    "mostao.proxy": ProxyModel,
    "mostao.archive": ArchiveModel,
    "mostao.keykeeper": KeyKeeperModel,
}
"""The models by the name of the module, without its version."""


class Mismatch(Exception):
    """An assignment differs from the model's prediction. The text states what was expected and what was found."""

    def __init__(self, text: str, message: str) -> None:
        super().__init__(text)
        self.message = message
        """Id of the message that differs."""


class Applied(NamedTuple):
    """An assignment that the model has applied."""

    row: Assignment
    process: ProcessModel | None
    """None if the process is not modelled."""
    body: Body


class _Due(NamedTuple):
    """A message that must follow in the log."""

    id: str
    parent: int
    sender: str
    target: str
    action: str
    tags: Any
    """The JSON value of the tags; None for a spawn message, whose module has a version."""
    data: Any
    """The JSON value of the data, or a text."""
    module: str = ""


class Model:
    """Follows a log from its start. Processes of unknown modules, and their messages, are accepted as they are.

    An unknown action of a known module is a mismatch.

    Attributes:
        processes: the model of each process; None for a process that is not modelled.
        sequence: of the last assignment.
        sequence_of: sequence of each external message, by its id.
    """

    def __init__(self) -> None:
        self.processes: dict[str, ProcessModel | None] = {}
        self.sequence = 0
        self.sequence_of: dict[str, int] = {}
        self._timestamp = 0
        self._slots: dict[str, int] = {}
        self._due: deque[_Due] = deque()
        self._unmodelled: set[int] = set()
        """Sequences of messages to processes that are not modelled."""
        self._reached: dict[str, None] = {}
        """Processes that got a message since the last call of ``touched``."""
        self._owners: dict[str, str] = {}

    @property
    def missing(self) -> str:
        """The first message that must follow in the log; empty if there is none."""
        if not self._due:
            return ""
        due = self._due[0]
        return f"{due.action} from {self.name_of(due.sender)} to {self.name_of(due.target)}, sent at {due.parent}"

    @property
    def missing_from(self) -> str:
        """The process that must send the first missing message; empty if none is missing."""
        return self._due[0].sender if self._due else ""

    def touched(self) -> list[ProcessModel]:
        """The modelled processes that got a message since the last call."""
        reached, self._reached = self._reached, {}
        return [process for id_ in reached if (process := self.processes[id_]) is not None]

    def name_of(self, process: str) -> str:
        """A process or an address as people know it: ``@handle`` for a handle."""
        model = self.processes.get(process)
        if isinstance(model, HandleModel):
            return f"@{model.name}"
        if isinstance(model, SessionModel):
            return "the session of " + " and ".join(map(self.name_of, model.sides))
        if isinstance(model, GroupModel):
            return f"the group {model.name!r}"
        if isinstance(model, RegistryModel):
            return "the registry"
        if isinstance(model, KeyKeeperModel):
            return "the key keeper"
        if isinstance(model, RelationModel):
            return "Relation ONE"
        return process

    def apply(self, row: Assignment, now_ms: int) -> Applied:
        """Apply the next assignment of the log.

        Args:
            row: the assignment.
            now_ms: the node's clock when it assigned the message.

        Raises:
            Mismatch: the assignment differs from the prediction.
        """
        message = row.message
        self._check_place(row, now_ms)
        self._check_cause(row)
        self._reached[message.target] = None
        if message.id == message.target:
            return self._start(row)
        process = self.processes.get(message.target)
        if process is None:
            self._unmodelled.add(row.sequence)
            return Applied(row, None, {})
        body = _object(message.data)
        received = self._received(row, body)
        try:
            expected, refusal = process.receive(received), None
        except Refused as refused:
            expected, refusal = Expected({"status": "error", "message": str(refused)}), str(refused)
        except NotModelled as unknown:
            raise Mismatch(f"{self._subject(row)}: the model does not know {unknown}", message.id) from unknown
        self._check(row, "refusal", refusal, row.error)
        reply = None if message.action == "Reply" else expected.reply
        if row.output is None or reply is None:
            self._check(row, "reply", reply, row.output)
        else:
            self._check(row, "reply", reply, msgspec.json.decode(row.output))
        self._expect(row, expected, refusal)
        return Applied(row, process, body)

    def _check_place(self, row: Assignment, now_ms: int) -> None:
        slot = self._slots.get(row.process, -1) + 1
        self._check(row, "sequence", self.sequence + 1, row.sequence)
        self._check(row, "slot", slot, row.slot)
        self._check(row, "timestamp", max(self._timestamp, now_ms), row.timestamp)
        self.sequence, self._timestamp, self._slots[row.process] = row.sequence, row.timestamp, slot

    def _check_cause(self, row: Assignment) -> None:
        """A message from a process must be the next one that is due; an external message must be new."""
        message = row.message
        if message.parent is None:
            self._check(row, "message before it", _ALL, self.missing or _ALL)
            self._check(
                row, "sequence of the same message", row.sequence, self.sequence_of.get(message.id, row.sequence)
            )
            self.sequence_of[message.id] = row.sequence
            return
        if message.parent in self._unmodelled:
            return
        if not self._due:
            raise Mismatch(f"{self._subject(row)}: expected no message, found {message.data[:200]!r}", message.id)
        due = self._due.popleft()
        self._check(row, "sender", self.name_of(due.sender), self.name_of(message.sender))
        self._check(row, "target", self.name_of(due.target), self.name_of(message.target))
        self._check(row, "action", due.action, message.action)
        self._check(row, "parent", due.parent, message.parent)
        self._check(row, "id", due.id, message.id)
        self._check(row, "data", due.data, message.data.decode() if isinstance(due.data, str) else _json(message.data))
        tags = msgspec.json.decode(message.tags)
        if due.tags is not None:
            self._check(row, "tags", due.tags, tags)
        else:
            named = dict(tags)
            found = {**named, "Module": named.get("Module", "").partition("@")[0]}
            self._check(row, "module", due.module, found["Module"])

    def _start(self, row: Assignment) -> Applied:
        message = row.message
        tags = dict(msgspec.json.decode(message.tags))
        name = tags["Module"].partition("@")[0]
        owner = message.sender if message.parent is None else tags["Owner"]
        self._owners[message.target] = owner
        body = _object(message.data)
        self._check(row, "refusal", None, row.error)
        kind = MODELS.get(name)
        self.processes[message.target] = kind(self._received(row, body)) if kind else None
        return Applied(row, self.processes[message.target], body)

    def _received(self, row: Assignment, body: Body) -> Received:
        message = row.message
        owner, is_internal = self._owners[message.target], message.parent is not None
        place = (message.id, row.slot, row.timestamp)
        return Received(message.target, owner, message.sender, is_internal, *place, message.action, body)

    def _expect(self, row: Assignment, expected: Expected, refusal: str | None) -> None:
        """Queue what the message must cause: spawn messages, the reply to a process, and the other messages."""
        message, sequence = row.message, row.sequence
        self._due.extend(self._spawn(row, started) for started in expected.started)
        is_answered = message.parent is not None and expected.reply is not None and message.action != "Reply"
        if is_answered and not (expected.quiet and refusal is None):
            data = expected.reply if refusal is None else {**expected.reply, "messageID": message.id}
            reply = Sent(message.sender, "Reply", data)
            self._due.append(_due(reply, sent_id(message.id, 0), sequence, message.target))
        for index, sent in enumerate(expected.messages, start=1):
            self._due.append(_due(sent, sent_id(message.id, index), sequence, message.target))

    def _spawn(self, row: Assignment, started: Started) -> _Due:
        ids = (started.id, row.sequence, row.message.target, started.id)
        return _Due(*ids, "Spawn", None, started.body, started.module)

    def _check(self, row: Assignment, subject: str, expected: object, found: object) -> None:
        if expected != found:
            place, difference_text = self._subject(row), difference(expected, found)
            raise Mismatch(f"the {subject} of {place}: {difference_text}", row.message.id)

    def _subject(self, row: Assignment) -> str:
        message = row.message
        return f"{message.action or 'a message'} from {self.name_of(message.sender)} to {self.name_of(message.target)}"


_ALL = "all effects of the message before"


def _due(sent: Sent, id_: str, parent: int, sender: str) -> _Due:
    tags = [["Action", sent.action], *map(list, sent.tags)]
    return _Due(id_, parent, sender, sent.target, sent.action, tags, sent.data)


def difference(expected: object, found: object, path: str = "") -> str:
    """The first difference of two JSON values as text, with the path to it."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in _ordered(expected.keys() | found.keys()):
            if key not in expected or key not in found or expected[key] != found[key]:
                return difference(expected.get(key), found.get(key), f"{path}.{key}" if path else str(key))
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            if one != other:
                return difference(one, other, f"{path}[{index}]")
    return f"{path + ': ' if path else ''}expected {_short(expected)}, found {_short(found)}"


def _ordered(keys: Iterable[Any]) -> list[Any]:
    return sorted(keys, key=str)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text):,} characters)"


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data


def _object(data: bytes) -> Body:
    value = _json(data)
    return value if isinstance(value, dict) else {}
