"""Exports a history as a bundle of signed assignments and messages."""

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


def no_progress(_: int) -> None:
    """Ignore the progress."""


class Exported(NamedTuple):
    """Size and state root of an export."""

    events: int
    items: int
    state_root: str


def process_of(log: LogFile, name: str) -> str | None:
    """The process of an id, or of a handle written as ``@name``; None if there is none."""
    if not name.startswith("@"):
        return name if log.sequence_of(name, 0) is not None else None
    first = next(log.read(until=1), None)
    if first is None:
        return None
    table = ProcessTable(log.payloads)
    for row in log.read_process(first.process):
        table.evaluate(row)
    registry = table.entries[first.process].process
    name_entry = registry.state.handles.find(name[1:]) if isinstance(registry, Registry) else None
    return name_entry.pid if name_entry else None


def export(
    log: LogFile,
    key: Signer,
    file: BinaryIO,
    *,
    processes: Sequence[str] = (),
    progress: Callable[[int], Any] = no_progress,
) -> Exported:
    """Write the history of some processes, or of all, as an ANS-104 bundle.

    The bundle holds the manifest, and then, for each message in the order of the log, its assignment and the message.

    Args:
        log: log to export.
        key: key of the node.
        file: output file.
        processes: ids of the processes to export; empty for the whole log.
        progress: called with the number of events written.
    """
    end = log.head().sequence

    def rows() -> Iterable[Assignment]:
        if not processes:
            return log.read(until=end)
        history = chain.from_iterable(log.read_process(process) for process in dict.fromkeys(processes))
        return sorted((row for row in history if row.sequence <= end), key=lambda row: row.sequence)

    table, events = ProcessTable(log.payloads), 0
    for row in rows():
        table.evaluate(row)
        events += 1
    root = table.state_root().hex()
    manifest = Manifest(events, not processes, root)

    def items() -> Iterator[bytes]:
        signer = Scheduler(key).sequential()
        yield manifest_item(manifest, key)
        for number, row in enumerate(rows(), start=1):
            yield signer.assignment(row)
            yield item_of(log, row, key)
            progress(number)

    return Exported(events, write_bundle(file, items()), root)
