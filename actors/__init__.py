"""Processes as actors on a log: messages and wallets, the pure processes, the mailbox runtime, the node.

What it offers is imported when it is first asked for: who only reads a log starts sooner without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.admission import Overloaded
    from actors.ans104.item import ItemRefused
    from actors.ans104.wallet import Wallet, WalletError
    from actors.conductor import NodeFailed
    from actors.node import Node, NodeClosed
    from actors.protocol.messages import Result
    from actors.replaying import Replayed, replay
    from actors.world import UnknownModule, World

__all__ = [
    "ItemRefused",
    "Node",
    "NodeClosed",
    "NodeFailed",
    "Overloaded",
    "Replayed",
    "Result",
    "UnknownModule",
    "Wallet",
    "WalletError",
    "World",
    "replay",
]

_MODULES = {
    "ItemRefused": "actors.ans104.item",
    "Node": "actors.node",
    "NodeClosed": "actors.node",
    "NodeFailed": "actors.conductor",
    "Overloaded": "actors.admission",
    "Replayed": "actors.replaying",
    "Result": "actors.protocol.messages",
    "UnknownModule": "actors.world",
    "Wallet": "actors.ans104.wallet",
    "WalletError": "actors.ans104.wallet",
    "World": "actors.world",
    "replay": "actors.replaying",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
