"""The processes: pure state machines from state and message to state and effects.

A process never awaits, reads a clock, draws a random number, opens a file or reads another process. A module's version
is part of its name. A change of behaviour is a new version beside the old one, so old logs replay to the same states.
"""

from actors.processes.base import Process
from actors.processes.messaging.group import Group
from actors.processes.messaging.group_v2 import GroupV2
from actors.processes.messaging.handle import Handle
from actors.processes.messaging.handle_v2 import HandleV2
from actors.processes.messaging.registry_v1 import Registry
from actors.processes.messaging.registry_v2 import RegistryV2
from actors.processes.messaging.registry_v3 import RegistryV3
from actors.processes.messaging.session_v1 import Session
from actors.processes.messaging.session_v2 import SessionV2
from actors.processes.messaging.session_v3 import SessionV3
from actors.processes.relation.archive_index import Archive
from actors.processes.relation.key_keeper import KeyKeeper
from actors.processes.relation.key_keeper_v2 import KeyKeeperV2
from actors.processes.relation.proxy_state import Proxy
from actors.processes.relation.proxy_state_v2 import ProxyV2
from actors.processes.relation.relation import Relation
from actors.processes.relation.relation_v2 import RelationV2

MODULES: dict[str, type[Process]] = {
    kind.module: kind
    for kind in (
        *(Registry, RegistryV2, RegistryV3, Handle, HandleV2, Session, SessionV2, SessionV3, Group, GroupV2),
        *(Relation, RelationV2, KeyKeeper, KeyKeeperV2, Proxy, ProxyV2, Archive),
    )
}
"""Every module by its name. A log may name any of them."""
REGISTRIES = (Registry.module, RegistryV2.module, RegistryV3.module)
"""Modules of a log's first process. A new log starts with the last one."""
_NEWEST = {module.partition("@")[0]: module for module in MODULES}
SUPERSEDED = {module: newest for module in MODULES if (newest := _NEWEST[module.partition("@")[0]]) != module}
"""Each module that has a newer version, and the newest version."""

__all__ = [
    "MODULES",
    "REGISTRIES",
    "SUPERSEDED",
    "Archive",
    "Group",
    "GroupV2",
    "Handle",
    "HandleV2",
    "KeyKeeper",
    "KeyKeeperV2",
    "Process",
    "Proxy",
    "ProxyV2",
    "Registry",
    "RegistryV2",
    "RegistryV3",
    "Relation",
    "RelationV2",
    "Session",
    "SessionV2",
    "SessionV3",
]
