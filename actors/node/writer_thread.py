"""The writer: a thread actor that owns the log and makes batches durable, one after the other."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pykka

from eventstore.errors import EventStoreError, LogFailed
from eventstore.log import EventLog
from eventstore.records import Assignment


class Append(NamedTuple):
    """Ask the writer for a batch. ``done`` is called in the writer's thread, with the error if it failed."""

    batch: Sequence[Assignment]
    expected: int
    done: Callable[[EventStoreError | None], None]


class Writer(pykka.ThreadingActor):
    """Owns the log's writing side, so that the event loop never waits for the disk.

    Group commit needs no timer: whoever feeds it keeps one batch in flight and fills the next meanwhile.
    """

    use_daemon_thread = True

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self._log = log

    def on_receive(self, message: Append) -> None:
        """Make one batch durable and say so."""
        try:
            self._log.append(message.batch, expected=message.expected)
        except EventStoreError as error:
            message.done(error)
        except Exception as error:  # whatever it is, nobody may be left waiting for it
            message.done(LogFailed(f"the batch could not be written ({type(error).__name__}: {error})"))
        else:
            message.done(None)
