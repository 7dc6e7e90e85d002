"""Worlds of users on a node: real keys, real encryption, virtual time; and the ``mostao`` command."""

from simulations.clients.user import Chat, ReadMessage, User, UserError

__all__ = ["Chat", "ReadMessage", "User", "UserError"]
