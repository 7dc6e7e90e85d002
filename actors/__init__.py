"""The public API: a node, wallets, replay and their errors. Processes are actors, and their messages are in a log.

Each name is imported on first use, so a program that only reads a log starts faster.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.ans104.item import ItemRefused
    from actors.ans104.wallet import Wallet, WalletError
    from actors.audit.replay import ReplayResult, replay
    from actors.evaluation.process_table import UnknownModule
    from actors.node.append_limits import AppendLimitReached
    from actors.node.backlog import Overloaded
    from actors.node.clock_guard import ClockUnreliable
    from actors.node.executor import NodeFailed
    from actors.node.limits import Limits, PerPeriod
    from actors.node.load import Load
    from actors.node.node import Node, NodeClosed
    from actors.node.reads import ReadTimeout
    from actors.protocol.messages import Result

__all__ = [
    "AppendLimitReached",
    "ClockUnreliable",
    "ItemRefused",
    "Limits",
    "Load",
    "Node",
    "NodeClosed",
    "NodeFailed",
    "Overloaded",
    "PerPeriod",
    "ReadTimeout",
    "ReplayResult",
    "Result",
    "UnknownModule",
    "Wallet",
    "WalletError",
    "replay",
]

_MODULES = {
    "AppendLimitReached": "actors.node.append_limits",
    "ClockUnreliable": "actors.node.clock_guard",
    "Load": "actors.node.load",
    "ItemRefused": "actors.ans104.item",
    "Limits": "actors.node.limits",
    "Node": "actors.node.node",
    "NodeClosed": "actors.node.node",
    "NodeFailed": "actors.node.executor",
    "Overloaded": "actors.node.backlog",
    "PerPeriod": "actors.node.limits",
    "ReadTimeout": "actors.node.reads",
    "ReplayResult": "actors.audit.replay",
    "Result": "actors.protocol.messages",
    "UnknownModule": "actors.evaluation.process_table",
    "Wallet": "actors.ans104.wallet",
    "WalletError": "actors.ans104.wallet",
    "replay": "actors.audit.replay",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
