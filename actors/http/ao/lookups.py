"""Lookups and query parameters that several units share."""

from starlette.exceptions import HTTPException

from eventstore import LogFile, sequence_at


def require_process(log: LogFile, process: str) -> None:
    """Check that there is a process.

    Raises:
        HTTPException: there is none (404).
    """
    if next(log.read_process(process, limit=1), None) is None:
        raise HTTPException(404, f"there is no process {process!r}")


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
