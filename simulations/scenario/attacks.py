"""What hostile people try. Every attempt has to be refused; what counts as refused is said here, per attempt."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from actors.ans104.item import ItemRefused
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Result
from simulations.clients.user import NodeClient, User

_DATA_BYTE = -1


class Captured(NamedTuple):
    """Somebody's message as it was seen on the way, and what it gave when it was sent."""

    raw: bytes
    result: Result


class Target(NamedTuple):
    """Whom an attempt is aimed at."""

    user: User
    captured: Captured
    session: str
    """A session of theirs in which the attacker has no part."""


async def take_name(attacker: User, target: Target, door: NodeClient) -> bool:
    """Register a name that somebody has, in other letters."""
    body = {"handle": f" {target.user.handle.upper()} ", "pubkey": attacker.pubkey}
    return _refused(await door.send(attacker.item(door.registry, "Register", body)))


async def renounce(attacker: User, target: Target, door: NodeClient) -> bool:
    """Set somebody else's name free."""
    return _refused(await door.send(attacker.item(door.registry, "Renounce", {"handle": target.user.handle})))


async def intrude(attacker: User, target: Target, door: NodeClient) -> bool:
    """Speak in a session of others: directly, through their handle, and through the attacker's own."""
    said = {"content": "bm90IG1pbmU=", "generation": 1}
    relayed = {"Target": target.session, "Data": encode(said), "Tags": {"Action": "SendMessage"}}
    attempts = (
        attacker.item(target.session, "SendMessage", said),
        attacker.item(target.user.pid, "RelayMessage", relayed),
        attacker.item(attacker.pid, "RelayMessage", relayed),
    )
    return all([_refused(await door.send(attempt)) for attempt in attempts])


async def replay_item(attacker: User, target: Target, door: NodeClient) -> bool:
    """Send a captured item again: it must not be assigned again, and its answer is the one it had."""
    return await door.send(target.captured.raw) == target.captured.result


async def forge(attacker: User, target: Target, door: NodeClient) -> bool:
    """Change what a captured item says, and leave its signature."""
    forged = bytearray(target.captured.raw)
    forged[_DATA_BYTE] ^= 1
    try:
        await door.send(bytes(forged))
    except ItemRefused:
        return True
    return False


async def notify(attacker: User, target: Target, door: NodeClient) -> bool:
    """Notify somebody's handle from outside."""
    return _refused(await door.send(attacker.item(target.user.pid, "Notify", {"lastMessageTime": 1})))


ATTACKS: dict[str, Callable[[User, Target, NodeClient], Awaitable[bool]]] = {
    "take a name": take_name,
    "renounce another's name": renounce,
    "speak in others' session": intrude,
    "replay a captured item": replay_item,
    "forge a signature": forge,
    "notify from outside": notify,
}
"""Each tells whether the attempt was refused."""


def _refused(result: Result) -> bool:
    return result.error is not None
