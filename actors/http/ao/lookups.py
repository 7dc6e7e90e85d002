"""Lookups and query parameters that several units share."""

from starlette.exceptions import HTTPException

from actors.node.node import Node
from eventstore import Assignment, LogFile, sequence_at


async def first_assignment(node: Node, process: str) -> Assignment:
    """The assignment that started a process.

    Raises:
        HTTPException: there is no such process (404).
    """
    return await node.read(lambda log: require_process(log, process))


def require_process(log: LogFile, process: str) -> Assignment:
    """Like ``first_assignment``, within a read."""
    first = next(log.read_process(process, limit=1), None)
    if first is None:
        raise HTTPException(404, f"there is no process {process!r}")
    return first


def slot_at(log: LogFile, process: str, timestamp: int) -> int:
    """The last slot of a process up to a time (ms); -1 if there is none."""
    head = log.process_head(process, until=sequence_at(log, timestamp))
    return head.slot if head else -1


def parse_limit(text: str | None, *, default: int, most: int) -> int:
    """The number of rows of a page.

    Raises:
        HTTPException: it is not a number from 1 to ``most`` (400).
    """
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise HTTPException(400, f"limit is {text[:16]!r}; it has to be from 1 to {most:,}")
    return int(text)
