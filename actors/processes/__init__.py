"""The processes: pure state machines. State and a message go in; state and effects come out.

Nothing here awaits, reads a clock, draws a random number, opens a file or looks at another process. A module's version
is part of its name: a change of behaviour is a new version beside the old one, so that old logs replay as they ran.
"""

from actors.processes.archive import Archive
from actors.processes.base import Process
from actors.processes.described_session import DescribedSession
from actors.processes.group import Group
from actors.processes.group_registry import GroupRegistry
from actors.processes.handle import Handle
from actors.processes.key_keeper import KeyKeeper
from actors.processes.proxy import Proxy
from actors.processes.registry import Registry
from actors.processes.relation import Relation
from actors.processes.session import Session

MODULES: dict[str, type[Process]] = {
    kind.module: kind
    for kind in (Registry, GroupRegistry, Handle, Session, DescribedSession, Group, Relation, KeyKeeper, Proxy, Archive)
}
"""Every module that a log may name."""
REGISTRIES = (Registry.module, GroupRegistry.module)
"""Those that a log may begin with; a new one begins with the last."""

__all__ = [
    "MODULES",
    "REGISTRIES",
    "Archive",
    "DescribedSession",
    "Group",
    "GroupRegistry",
    "Handle",
    "KeyKeeper",
    "Process",
    "Proxy",
    "Registry",
    "Relation",
    "Session",
]
