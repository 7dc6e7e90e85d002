"""Logs without processes, for tests of the store alone."""

from hashlib import sha256

from eventstore import Assignment, Message, Sequencer
from eventstore.records import encode_id


def an_id(name: object) -> str:
    return encode_id(sha256(str(name).encode()).digest())


def message(number: int, *, process: int = 0, data: bytes = b"{}", parent: int | None = None) -> Message:
    return Message(
        id=an_id(f"process {process}" if number == process else f"message {number}"),  # the first starts the process
        sender=an_id("sender"),
        target=an_id(f"process {process}"),
        action="Test",
        tags='[["Action","Test"]]',
        data=data,
        parent=parent,
        envelope=b"signed" if parent is None else None,
    )


def assignments(count: int, *, processes: int = 3, sequencer: Sequencer | None = None) -> list[Assignment]:
    sequencer = sequencer or Sequencer()
    first = sequencer.sequence
    return [
        sequencer.assign(message(first + number, process=(first + number) % processes), 1000 + number)
        for number in range(count)
    ]
