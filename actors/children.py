"""Child processes that run a part of this package: work that would keep this interpreter from doing its own."""

import os
import sys


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
