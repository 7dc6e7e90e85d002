"""What every transport to the node has in common: its interface, its replies and its error."""

import asyncio
from typing import Protocol

import msgspec

ACCEPTED, REFUSED, ITEM_REFUSED, OVERLOADED, FAILED = "", "refused", "item refused", "overloaded", "failed"
RATE_LIMITED = "rate limited"
"""The outcomes of an item.

An accepted item was evaluated without an error, and a refused one with an error; both are in the log. The others name
the reason why an item is not in the log.
"""


_OPTIONS = {"append limit": "--append-limit none", "spawn limit": "--spawn-limit none", "rate limit": "no --rate-limit"}


def without_limit(text: str) -> str:
    """How to serve a node without the limit that the text of an error names; empty if it names none."""
    option = next((option for limit, option in _OPTIONS.items() if text.startswith(limit)), "")
    return f"to measure without this limit, start `mostao serve` with {option}" if option else ""


class NotServed(Exception):
    """No node replies at an address. The text gives the reason."""


class Reply(msgspec.Struct, array_like=True, gc=False):
    """The outcome of one item."""

    number: int
    """Number of the request."""
    kind: str
    """One of the constants above."""
    text: str
    """The result's output, or the error."""
    retry_s: int = 0
    """Seconds after which the item may be sent again; 0 if the node names no time."""


class Transport(Protocol):
    """Carries signed items to a node, and its replies back."""

    def submit(self, raw: bytes, *, answer: bool = False) -> "asyncio.Future[Reply]":
        """Send an item. The future completes with the node's reply. With ``answer``, the reply's text is the output."""

    async def close(self) -> None:
        """Close the connection."""
