"""What more than one unit looks up."""

from starlette.exceptions import HTTPException

from actors.node.node import Node
from eventstore import Assignment, LogFile, sequence_at


async def existing(node: Node, process: str) -> Assignment:
    """The message that began a process.

    Raises:
        HTTPException: there is no such process (404).
    """
    first = await node.read(lambda log: next(log.read_process(process, limit=1), None))
    if first is None:
        raise HTTPException(404, f"there is no process {process!r}")
    return first


def slot_at(log: LogFile, process: str, timestamp: int) -> int:
    """The last slot of a process up to a time (ms); -1 if there is none."""
    head = log.process_head(process, until=sequence_at(log, timestamp))
    return head.slot if head else -1


def limit_of(text: str | None, *, default: int, most: int) -> int:
    """How many rows of a page are wanted.

    Raises:
        HTTPException: none, too many, or no number.
    """
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise HTTPException(400, f"limit is {text[:16]!r}; it has to be from 1 to {most:,}")
    return int(text)
