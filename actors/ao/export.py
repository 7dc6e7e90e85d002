"""A history leaves the log: signed assignments and messages, as one bundle."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from actors.ans104.bundle import write_bundle
from actors.ans104.signer import Signer
from actors.ao.assignments import Scheduler
from actors.ao.manifest import Manifest, manifest_item
from actors.ao.pushed_messages import item_of
from actors.evaluation.process_table import ProcessTable
from actors.processes import Registry
from eventstore import Assignment, LogFile


def unwatched(_: int) -> None:
    """Nobody wants to see the progress."""


class Exported(NamedTuple):
    """What was written."""

    events: int
    items: int
    state_root: str


def process_of(log: LogFile, name: str) -> str | None:
    """The process of an id, or of a handle written ``@name``; None if there is none."""
    if not name.startswith("@"):
        return name if log.sequence_of(name, 0) is not None else None
    first = next(log.read(until=1), None)
    if first is None:
        return None
    world = ProcessTable(log.payloads)
    for row in log.read_process(first.process):
        world.evaluate(row)
    registry = world.entries[first.process].process
    found = registry.state.handles.find(name[1:]) if isinstance(registry, Registry) else None
    return found.pid if found else None


def export(
    log: LogFile,
    key: Signer,
    file: BinaryIO,
    *,
    processes: Sequence[str] = (),
    progress: Callable[[int], Any] = unwatched,
) -> Exported:
    """Write the history of some processes, or of all, as an ANS-104 bundle.

    First comes the manifest; then, for each message in the order of the log, its assignment and the message itself.

    Args:
        log: where from.
        key: the node's.
        file: where to.
        processes: whose; none for the whole log.
        progress: called with the number of events written.
    """
    end = log.head().sequence

    def rows() -> Iterable[Assignment]:
        if not processes:
            return log.read(until=end)
        found = chain.from_iterable(log.read_process(process) for process in dict.fromkeys(processes))
        return sorted((row for row in found if row.sequence <= end), key=lambda row: row.sequence)

    world, events = ProcessTable(log.payloads), 0
    for row in rows():
        world.evaluate(row)
        events += 1
    root = world.state_root().hex()
    manifest = Manifest(events, not processes, root)

    def items() -> Iterator[bytes]:
        scheduler = Scheduler(key).following()
        yield manifest_item(manifest, key)
        for number, row in enumerate(rows(), start=1):
            yield scheduler.assignment(row)
            yield item_of(log, row, key)
            progress(number)

    return Exported(events, write_bundle(file, items()), root)
