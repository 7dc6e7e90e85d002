"""The processes: pure state machines. State and a message go in; state and effects come out.

Nothing here awaits, reads a clock, draws a random number, opens a file or looks at another process. A module's version
is part of its name: a change of behaviour is a new version beside the old one, so that old logs replay as they ran.
"""

from actors.processes.base import Process
from actors.processes.messaging.group import Group
from actors.processes.messaging.handle import Handle
from actors.processes.messaging.registry_v1 import Registry
from actors.processes.messaging.registry_v2 import RegistryV2
from actors.processes.messaging.session_v1 import Session
from actors.processes.messaging.session_v2 import SessionV2
from actors.processes.relation.archive_index import Archive
from actors.processes.relation.key_keeper import KeyKeeper
from actors.processes.relation.proxy_state import Proxy
from actors.processes.relation.relation import Relation

MODULES: dict[str, type[Process]] = {
    kind.module: kind
    for kind in (Registry, RegistryV2, Handle, Session, SessionV2, Group, Relation, KeyKeeper, Proxy, Archive)
}
"""Every module that a log may name."""
REGISTRIES = (Registry.module, RegistryV2.module)
"""Those that a log may begin with; a new one begins with the last."""

__all__ = [
    "MODULES",
    "REGISTRIES",
    "Archive",
    "Group",
    "Handle",
    "KeyKeeper",
    "Process",
    "Proxy",
    "Registry",
    "RegistryV2",
    "Relation",
    "Session",
    "SessionV2",
]
