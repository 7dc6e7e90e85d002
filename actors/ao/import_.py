"""Imports an exported history: verifies and evaluates all of it again, and writes a log."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from actors.ans104.bundle import ITEM_BYTES_MAX, Bundle, BundleUnusable
from actors.ans104.item import DataItem, ItemRefused, message_of, parse
from actors.ao.export import no_progress
from actors.ao.hash_chain import chain_after, chain_at_start
from actors.ao.manifest import Manifest, manifest_of
from actors.ao.pushed_messages import NotPushed, message_in
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable
from eventstore import Assignment, LogFile, Message, Sequencer, Unevaluable, open_log
from eventstore.engines import Location, path_of
from eventstore.records import decode_id, encode_id

BATCH_ROWS = 1000
OUTSIDE_PARENT = 0
"""Parent of a message whose sending process is not in the excerpt."""


class ImportFault(Exception):
    """The bundle does not match its node's log; the text says where and how."""


class Imported(NamedTuple):
    """Content of an imported bundle."""

    node: str
    """Address of the key that signed the bundle."""
    events: int
    processes: Sequence[str]
    whole: bool
    state_root: str


class _ImportedEvent(NamedTuple):
    """An assignment and its message, from a bundle."""

    process: str
    nonce: int
    height: int
    timestamp: int
    hash_chain: str
    assignment_id: str
    message: Message
    pushed: bool


def import_bundle(path: Path, log_location: Location, *, progress: Callable[[int], Any] = no_progress) -> Imported:
    """Write a log from a bundle of ``export``.

    From the export of a whole log, the new log has the same assignments, byte for byte. From the export of some
    processes, the new log is an excerpt, which can be replayed.

    Args:
        path: path of the bundle.
        log_location: location of the new log, which must not exist or must be empty.
        progress: called with the number of events imported.

    Raises:
        BundleUnusable: the file is not an exported history.
        ImportFault: the history is inconsistent, or the node did not sign all of it.
        EventStoreError: the log cannot be written.
    """
    bundle = Bundle.of_file(path)
    items = bundle.items()
    manifest, node = _manifest(path, items)
    log = open_log(log_location, new=True)
    try:
        history = _FullHistory(log) if manifest.whole else _Excerpt(log)
        number = 0
        for number, event in enumerate(_read_events(items, node), start=1):
            history.append(event)
            progress(number)
        history.flush()
        root = history.table.state_root().hex()
        if (number, root) != (manifest.events, manifest.state_root):
            raise ImportFault(
                f"the history has {number:,} events and the state root {root}; "
                f"its node signed {manifest.events:,} events and {manifest.state_root}"
            )
        processes = sorted(history.table.entries)
        if not manifest.whole:
            log.mark_excerpt()
    except BaseException:
        log.close()
        path_of(log_location).unlink(missing_ok=True)
        raise
    log.close()
    return Imported(node.sender, number, processes, manifest.whole, root)


def _manifest(path: Path, items: Iterator[bytes]) -> tuple[Manifest, DataItem]:
    first = next(items, None)
    item = _verified(first, "the manifest") if first is not None else None
    manifest = manifest_of(item) if item is not None else None
    if item is None or manifest is None:
        raise BundleUnusable(f"{path} is not an exported history: its first item is no manifest of mostao export")
    return manifest, item


def _verified(raw: bytes, what: str) -> DataItem:
    try:
        item = parse(raw, data_bytes_max=ITEM_BYTES_MAX)
        item.verify()
    except ItemRefused as refusal:
        raise ImportFault(f"{what}: {refusal}") from None
    return item


def _read_events(items: Iterator[bytes], node: DataItem) -> Iterator[_ImportedEvent]:
    """Read assignments and their messages; verifies their signatures and the hash chain of each process."""
    chains: dict[str, bytes] = {}
    while pair := list(islice(items, 2)):
        if len(pair) < 2:
            raise ImportFault("the last assignment has no message")
        assignment, item = _verified(pair[0], "an assignment"), _verified(pair[1], "a message")
        if assignment.public_key != node.public_key:
            raise ImportFault(f"assignment {assignment.id} is not signed by the node {node.sender}")
        event = _parse_event(assignment, item, node)
        chain = chains.get(event.process) or chain_at_start(event.process)
        if event.hash_chain != encode_id(chain):
            raise ImportFault(f"assignment {assignment.id}: its hash chain does not match the assignments before it")
        chains[event.process] = chain_after(assignment.id, chain)
        yield event


def _parse_event(assignment: DataItem, item: DataItem, node: DataItem) -> _ImportedEvent:
    pushed = item.public_key == node.public_key and item.tag("From-Process") != ""
    try:
        message = message_in(item, parent=OUTSIDE_PARENT) if pushed else message_of(item)
        event = _ImportedEvent(
            assignment.tag("Process"),
            int(assignment.tag("Nonce")),
            int(assignment.tag("Block-Height")),
            int(assignment.tag("Timestamp")),
            assignment.tag("Hash-Chain"),
            assignment.id,
            message,
            pushed,
        )
        decode_id(event.process)
    except (NotPushed, ValueError) as error:
        raise ImportFault(f"assignment {assignment.id}: {error}") from None
    if (message.id, message.target) != (assignment.tag("Message"), event.process):
        raise ImportFault(f"assignment {assignment.id} is of another message than {message.id}, which follows it")
    return event


class _History:
    """A log that grows by imported events. Subclasses assign the positions."""

    def __init__(self, log: LogFile) -> None:
        self.table = ProcessTable(self._read_payloads)
        self._log, self._epoch = log, log.take_lease("import").epoch
        self._batch: list[Assignment] = []
        self._written = 0
        self._slots: dict[str, int] = {}

    def append(self, event: _ImportedEvent) -> None:
        """Evaluate an event and append it to the log.

        Raises:
            ImportFault: the event cannot come next.
        """
        expected_slot = self._slots.get(event.process, -1) + 1
        if event.nonce != expected_slot:
            raise ImportFault(f"process {event.process}: nonce {event.nonce} follows where {expected_slot} has to")
        self._slots[event.process] = expected_slot
        assignment = self._assign(event)
        try:
            evaluated = self.table.evaluate(assignment)
        except Unevaluable as error:
            raise ImportFault(f"process {event.process}, nonce {event.nonce}: {error}") from None
        assignment.output, assignment.error = evaluated.output, evaluated.error
        self._keep_outbox(evaluated)
        self._batch.append(assignment)
        if len(self._batch) == BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the pending batch."""
        if self._batch:
            self._written = self._log.append(self._batch, expected=self._written, epoch=self._epoch).sequence
            self._batch = []

    def _assign(self, event: _ImportedEvent) -> Assignment:
        """The assignment of an event in the new log."""
        raise NotImplementedError

    def _keep_outbox(self, evaluated: Evaluated) -> None:
        """Keep the messages that the evaluation sent, to compare them with later events."""

    def _read_payloads(self, process: str, slots: Sequence[int]) -> list[bytes]:
        self.flush()
        return self._log.payloads(process, slots)


class _FullHistory(_History):
    """The history of every process: the new log equals the exported log."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(log)
        self._sequencer = Sequencer()
        self._pending_outbox: deque[Message] = deque()

    def _assign(self, event: _ImportedEvent) -> Assignment:
        message = event.message
        if event.pushed:
            expected = self._pending_outbox.popleft() if self._pending_outbox else None
            if expected is None or message != _without_parent(expected):
                raise ImportFault(f"message {message.id} is not the next one that an evaluation sent")
            message = expected
        elif self._pending_outbox:
            raise ImportFault(f"message {self._pending_outbox[0].id}, which an evaluation sent, is missing")
        assignment = self._sequencer.assign(message, event.timestamp)
        if (assignment.sequence, assignment.timestamp) != (event.height, event.timestamp):
            raise ImportFault(f"message {message.id} cannot stand at height {event.height}, time {event.timestamp}")
        return assignment

    def _keep_outbox(self, evaluated: Evaluated) -> None:
        self._pending_outbox.extend(evaluated.outbox)


class _Excerpt(_History):
    """The history of some processes: sequences are new, the chains come from the signed assignments."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(log)
        self._events = self._height = self._timestamp = 0

    def _assign(self, event: _ImportedEvent) -> Assignment:
        if event.height <= self._height or event.timestamp < self._timestamp:
            raise ImportFault(f"message {event.message.id} stands before the one that it follows")
        self._height, self._timestamp = event.height, event.timestamp
        self._events += 1
        chain, assignment_id = decode_id(event.hash_chain), decode_id(event.assignment_id)
        return Assignment(self._events, event.nonce, event.timestamp, event.message, chain, assignment_id)


def _without_parent(message: Message) -> Message:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return Message(**{**fields, "parent": OUTSIDE_PARENT})
