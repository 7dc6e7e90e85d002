"""Simulations and load tests with real keys, encryption, processes, node and log; clients; the ``mostao`` command."""

from simulations.clients.user import Chat, Person, ReadMessage, User, UserError

__all__ = ["Chat", "Person", "ReadMessage", "User", "UserError"]
