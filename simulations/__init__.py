"""Simulations and load tests with real keys, encryption, processes, node and log; clients; the ``mostao`` command.

The clients are imported on first use, so that ``mostao --help`` starts fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulations.clients.user import Chat, Person, ReadMessage, User, UserError

__all__ = ["Chat", "Person", "ReadMessage", "User", "UserError"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from simulations.clients import user

        return getattr(user, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
