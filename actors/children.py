"""Child processes that run a part of this package: work that would keep this interpreter from doing its own."""

import os
import sys
from typing import IO

_LENGTH_BYTES = 8


def cores() -> int:
    """Cores of this machine: there is no use in more that keep an interpreter busy."""
    return os.cpu_count() or 1


def command_of(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """What runs the function ``work`` of a module in another Python.

    Args:
        module: its name.
        arguments: what it finds in ``sys.argv[1:]``.

    Returns:
        The command, and the environment in which it imports what can be imported here.
    """
    command = [sys.executable, "-c", f"import {module} as it; it.work()", *arguments]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def framed(what: bytes) -> bytes:
    """Bytes as ``read_framed`` reads them from a pipe."""
    return len(what).to_bytes(_LENGTH_BYTES) + what


def read_framed(stream: IO[bytes]) -> bytes | None:
    """The next bytes that ``framed`` gave; None where the stream ends, also within them."""
    length = stream.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    what = stream.read(int.from_bytes(length))
    return what if len(what) == int.from_bytes(length) else None
