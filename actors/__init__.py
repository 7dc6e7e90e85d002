"""Processes as actors on a log: messages and wallets, the pure processes, the mailbox runtime, the node."""

from actors.admission import Overloaded
from actors.conductor import NodeFailed
from actors.dataitem import ItemRefused
from actors.messages import Result
from actors.node import Node, NodeClosed
from actors.replay import Replayed, replay
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
