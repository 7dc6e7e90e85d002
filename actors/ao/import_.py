"""A history comes back from a bundle: everything in it is verified and evaluated again."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from actors.ans104.bundle import Bundle, BundleUnusable
from actors.ans104.item import DataItem, ItemRefused, message_of, parse
from actors.ao.export import unwatched
from actors.ao.hash_chain import chain_after, chain_at_start
from actors.ao.manifest import Manifest, manifest_of
from actors.ao.pushed_messages import NotPushed, message_in
from actors.evaluation.evaluate import Evaluated
from actors.evaluation.process_table import ProcessTable
from eventstore import Assignment, LogFile, Message, Sequencer, Unevaluable, open_log
from eventstore.records import decode_id, encode_id

BATCH_ROWS = 1000
ITEM_BYTES_MAX = 2**32
OUTSIDE_PARENT = 0
"""Parent of a message that a process sent which the excerpt does not have."""


class ImportFault(Exception):
    """A bundle that is not what its node's log was; says where and how."""


class Imported(NamedTuple):
    """What a bundle came to."""

    node: str
    """Address of the key that signed it."""
    events: int
    processes: Sequence[str]
    whole: bool
    state_root: str


class _Told(NamedTuple):
    """A message as a bundle tells it."""

    process: str
    nonce: int
    height: int
    timestamp: int
    hash_chain: str
    assignment_id: str
    message: Message
    pushed: bool


def import_bundle(path: Path, log_path: Path, *, progress: Callable[[int], Any] = unwatched) -> Imported:
    """Make a log of what a bundle of ``export`` holds.

    A whole log becomes the log that it was, byte for byte in its assignments. The history of some processes becomes an
    excerpt, which can be replayed.

    Args:
        path: the bundle.
        log_path: the log, which must not hold anything yet.
        progress: called with the number of events.

    Raises:
        BundleUnusable: the file is no bundle of a history.
        ImportFault: what it holds does not follow from itself, or is not signed by its node.
        EventStoreError: the log cannot be written.
    """
    bundle = Bundle.of_file(path)
    items = bundle.items()
    manifest, node = _manifest(path, items)
    log = open_log(log_path, new=True)
    try:
        history = _Whole(log) if manifest.whole else _Excerpt(log)
        number = 0
        for number, told in enumerate(_told(items, node), start=1):
            history.take(told)
            progress(number)
        history.flush()
        root = history.world.state_root().hex()
        if (number, root) != (manifest.events, manifest.state_root):
            raise ImportFault(
                f"the history has {number:,} events and comes to the state root {root}; "
                f"its node signed {manifest.events:,} and {manifest.state_root}"
            )
        processes = sorted(history.world.entries)
        if not manifest.whole:
            log.mark_excerpt()
    except BaseException:
        log.close()
        log_path.unlink(missing_ok=True)
        raise
    log.close()
    return Imported(node.sender, number, processes, manifest.whole, root)


def _manifest(path: Path, items: Iterator[bytes]) -> tuple[Manifest, DataItem]:
    first = next(items, None)
    item = _verified(first, "the manifest") if first is not None else None
    manifest = manifest_of(item) if item is not None else None
    if item is None or manifest is None:
        raise BundleUnusable(f"{path} is no history: its first item is no manifest of mostao export")
    return manifest, item


def _verified(raw: bytes, what: str) -> DataItem:
    try:
        item = parse(raw, data_bytes_max=ITEM_BYTES_MAX)
        item.verify()
    except ItemRefused as refusal:
        raise ImportFault(f"{what}: {refusal}") from None
    return item


def _told(items: Iterator[bytes], node: DataItem) -> Iterator[_Told]:
    """Assignments and their messages, each verified, each process's hash chain followed."""
    chains: dict[str, bytes] = {}
    while pair := list(islice(items, 2)):
        if len(pair) < 2:
            raise ImportFault("the last assignment has no message")
        assignment, item = _verified(pair[0], "an assignment"), _verified(pair[1], "a message")
        if assignment.public_key != node.public_key:
            raise ImportFault(f"assignment {assignment.id} is not signed by the node {node.sender}")
        told = _tell(assignment, item, node)
        chain = chains.get(told.process) or chain_at_start(told.process)
        if told.hash_chain != encode_id(chain):
            raise ImportFault(f"assignment {assignment.id}: its hash chain is not what the ones before it give")
        chains[told.process] = chain_after(assignment.id, chain)
        yield told


def _tell(assignment: DataItem, item: DataItem, node: DataItem) -> _Told:
    pushed = item.public_key == node.public_key and item.tag("From-Process") != ""
    try:
        message = message_in(item, parent=OUTSIDE_PARENT) if pushed else message_of(item)
        told = _Told(
            assignment.tag("Process"),
            int(assignment.tag("Nonce")),
            int(assignment.tag("Block-Height")),
            int(assignment.tag("Timestamp")),
            assignment.tag("Hash-Chain"),
            assignment.id,
            message,
            pushed,
        )
        decode_id(told.process)
    except (NotPushed, ValueError) as error:
        raise ImportFault(f"assignment {assignment.id}: {error}") from None
    if (message.id, message.target) != (assignment.tag("Message"), told.process):
        raise ImportFault(f"assignment {assignment.id} is of another message than {message.id}, which follows it")
    return told


class _History:
    """A log that grows by what is told."""

    def __init__(self, log: LogFile) -> None:
        self.world = ProcessTable(self._past)
        self._log, self._epoch = log, log.take_lease("import").epoch
        self._batch: list[Assignment] = []
        self._written = 0
        self._slots: dict[str, int] = {}

    def take(self, told: _Told) -> None:
        """Put a message at the end.

        Raises:
            ImportFault: it cannot come next.
        """
        due = self._slots.get(told.process, -1) + 1
        if told.nonce != due:
            raise ImportFault(f"process {told.process}: nonce {told.nonce} follows where {due} has to")
        self._slots[told.process] = due
        assignment = self._place(told)
        try:
            evaluated = self.world.evaluate(assignment)
        except Unevaluable as error:
            raise ImportFault(f"process {told.process}, nonce {told.nonce}: {error}") from None
        assignment.output, assignment.error = evaluated.output, evaluated.error
        self._sent(evaluated)
        self._batch.append(assignment)
        if len(self._batch) == BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._batch:
            self._written = self._log.append(self._batch, expected=self._written, epoch=self._epoch).sequence
            self._batch = []

    def _place(self, told: _Told) -> Assignment:
        raise NotImplementedError

    def _sent(self, evaluated: Evaluated) -> None:
        """What an evaluation sent."""

    def _past(self, process: str, slots: Sequence[int]) -> list[bytes]:
        self.flush()
        return self._log.payloads(process, slots)


class _Whole(_History):
    """Of every process: the log becomes what it was."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(log)
        self._sequencer = Sequencer()
        self._unsent: deque[Message] = deque()

    def _place(self, told: _Told) -> Assignment:
        message = told.message
        if told.pushed:
            due = self._unsent.popleft() if self._unsent else None
            if due is None or message != _without_parent(due):
                raise ImportFault(f"message {message.id} is not the next one that an evaluation sent")
            message = due
        elif self._unsent:
            raise ImportFault(f"message {self._unsent[0].id}, which an evaluation sent, is missing")
        assignment = self._sequencer.assign(message, told.timestamp)
        if (assignment.sequence, assignment.timestamp) != (told.height, told.timestamp):
            raise ImportFault(f"message {message.id} cannot stand at height {told.height}, time {told.timestamp}")
        return assignment

    def _sent(self, evaluated: Evaluated) -> None:
        self._unsent.extend(evaluated.outbox)


class _Excerpt(_History):
    """Of some processes: numbered anew, its chains those of the signed assignments."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(log)
        self._events = self._height = self._timestamp = 0

    def _place(self, told: _Told) -> Assignment:
        if told.height <= self._height or told.timestamp < self._timestamp:
            raise ImportFault(f"message {told.message.id} stands before the one that it follows")
        self._height, self._timestamp = told.height, told.timestamp
        self._events += 1
        chain, assignment_id = decode_id(told.hash_chain), decode_id(told.assignment_id)
        return Assignment(self._events, told.nonce, told.timestamp, told.message, chain, assignment_id)


def _without_parent(message: Message) -> Message:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return Message(**{**fields, "parent": OUTSIDE_PARENT})
