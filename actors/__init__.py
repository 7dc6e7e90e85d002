"""Processes as actors on a log: messages and wallets, the pure processes, the mailbox runtime, the node.

What it offers is imported when it is first asked for: who only reads a log starts sooner without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.admission import Overloaded
    from actors.conductor import NodeFailed
    from actors.dataitem import ItemRefused
    from actors.messages import Result
    from actors.node import Node, NodeClosed
    from actors.replaying import Replayed, replay
    from actors.wallet import Wallet, WalletError
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
    "ItemRefused": "dataitem",
    "Node": "node",
    "NodeClosed": "node",
    "NodeFailed": "conductor",
    "Overloaded": "admission",
    "Replayed": "replaying",
    "Result": "messages",
    "UnknownModule": "world",
    "Wallet": "wallet",
    "WalletError": "wallet",
    "World": "world",
    "replay": "replaying",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"actors.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
