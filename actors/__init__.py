"""Processes as actors on a log: messages and wallets, the pure processes, the mailbox runtime, the node.

The node and what it runs on are imported when they are first asked for: who only reads a log starts sooner without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actors.dataitem import ItemRefused
from actors.messages import Result
from actors.replay import Replayed, replay
from actors.wallet import Wallet, WalletError
from actors.world import UnknownModule, World

if TYPE_CHECKING:
    from actors.admission import Overloaded
    from actors.conductor import NodeFailed
    from actors.node import Node, NodeClosed

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

_LATER = {"Node": "node", "NodeClosed": "node", "NodeFailed": "conductor", "Overloaded": "admission"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"actors.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
