"""Ids of sent messages and spawned processes: hashes of the parent, never random, so a replay derives the same ids."""

from binascii import b2a_base64
from hashlib import sha256

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_last_derived = ("", 0, "")
"""Parent, index and id of the last call: a handler that names a message it sends derives its id, then the outbox
derives it again.
"""


def sent_id(parent: str, index: int) -> str:
    """Id of a message that an evaluation sends.

    Args:
        parent: id of the evaluated message.
        index: index among the messages of the result, from 0. Index 0 belongs to the reply.
    """
    global _last_derived
    last_parent, last_index, last_id = _last_derived
    if last_parent is parent and last_index == index:
        return last_id
    derived = _derive(f"mostao.message {parent} {index}")
    _last_derived = (parent, index, derived)
    return derived


def spawned_id(parent: str, index: int) -> str:
    """Id of a process that an evaluation spawns, and of the message that spawns it.

    Args:
        parent: id of the evaluated message.
        index: index among the spawns of the result, from 0.
    """
    return _derive(f"mostao.spawn {parent} {index}")


def _derive(text: str) -> str:
    return b2a_base64(sha256(text.encode()).digest(), newline=False)[:43].translate(_URL_SAFE).decode()
