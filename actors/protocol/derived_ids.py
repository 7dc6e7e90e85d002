"""Ids that follow from what is known: never drawn, so that a replay finds the same ones."""

from binascii import b2a_base64
from hashlib import sha256

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_newest = ("", 0, "")
"""What was derived last: a handler that names the message it sends asks first, the outbox asks again."""


def sent_id(parent: str, place: int) -> str:
    """Id of a message that the evaluation of another sent.

    Args:
        parent: id of the message that was evaluated.
        place: which one of its messages, the reply included, from 0.
    """
    global _newest
    known_parent, known_place, known = _newest
    if known_parent is parent and known_place == place:
        return known
    derived = _derive(f"mostao.message {parent} {place}")
    _newest = (parent, place, derived)
    return derived


def spawned_id(parent: str, place: int) -> str:
    """Id of a process (and of the message that spawns it) that the evaluation of a message started, from 0."""
    return _derive(f"mostao.spawn {parent} {place}")


def _derive(text: str) -> str:
    return b2a_base64(sha256(text.encode()).digest(), newline=False)[:43].translate(_URL_SAFE).decode()
