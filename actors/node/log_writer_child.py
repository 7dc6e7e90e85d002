"""The child process that appends batches to the log on behalf of a busy node; see ``log_writer``."""

import signal
import sys

import msgspec

from actors.node.log_writer import append_error, store_error
from actors.runtime.child_process import receive_request, send_ready, send_reply
from actors.runtime.tuning import dedicate_process
from eventstore import Assignment
from eventstore.engines import engine_of

_Part = tuple[int, int, list[Assignment], str]
"""How many rows of the batch follow this part, the epoch, the rows of this part, and an empty text; or, to store a
signed note: 0, its sequence, no rows, and the note."""
_decode = msgspec.msgpack.Decoder(_Part).decode


def work() -> None:
    """Append whole batches until the node ends. ``sys.argv[1]`` is the log's location."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # the node handles them and may still send a batch
        signal.signal(ignored, signal.SIG_IGN)
    location = sys.argv[1]
    log = engine_of(location).open_delegate(location)
    dedicate_process()
    send_ready()
    batch: list[Assignment] = []
    while (part := receive_request()) is not None:
        rows_to_come, epoch, rows, note = _decode(part)
        batch += rows
        if note:
            error = store_error(log, epoch, note)
            send_reply(str(error).encode() if error else b"")
        elif not rows_to_come:
            error = append_error(log, batch, epoch=epoch)
            send_reply(str(error).encode() if error else b"")
            log.maintain()
            batch = []
