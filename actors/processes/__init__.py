"""The processes: pure state machines. State and a message go in; state and effects come out.

Nothing here awaits, reads a clock, draws a random number, opens a file or looks at another process. A module's version
is part of its name: a change of behaviour is a new version beside the old one, so that old logs replay as they ran.
"""

from actors.processes.base import Process
from actors.processes.handle import Handle
from actors.processes.registry import Registry
from actors.processes.session import Session

MODULES: dict[str, type[Process]] = {kind.module: kind for kind in (Registry, Handle, Session)}
"""Every module that a log may name."""

__all__ = ["MODULES", "Handle", "Process", "Registry", "Session"]
