"""Attacks on MostAO's people. The node must refuse each of them; each function decides what counts as refused."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from actors.ans104.item import ItemRefused
from actors.protocol.canonical_json import encode
from actors.protocol.messages import Result
from simulations.clients.user import NodeClient, User

_DATA_BYTE = -1


class Captured(NamedTuple):
    """A message that the attacker has observed on the network, and its result."""

    raw: bytes
    result: Result


class Target(NamedTuple):
    """The victim of an attack."""

    user: User
    captured: Captured
    session: str
    """A session between other people."""


async def take_name(attacker: User, target: Target, client: NodeClient) -> bool:
    """Register the victim's handle in another spelling."""
    body = {"handle": f" {target.user.handle.upper()} ", "pubkey": attacker.pubkey}
    return _refused(await client.send(attacker.item(client.registry, "Register", body)))


async def renounce(attacker: User, target: Target, client: NodeClient) -> bool:
    """Renounce the victim's handle."""
    return _refused(await client.send(attacker.item(client.registry, "Renounce", {"handle": target.user.handle})))


async def intrude(attacker: User, target: Target, client: NodeClient) -> bool:
    """Send a message to a session of others: directly, through the victim's handle, and through the attacker's own."""
    message = {"content": "bm90IG1pbmU=", "generation": 1}
    relayed = {"Target": target.session, "Data": encode(message), "Tags": {"Action": "SendMessage"}}
    attempts = (
        attacker.item(target.session, "SendMessage", message),
        attacker.item(target.user.pid, "RelayMessage", relayed),
        attacker.item(attacker.pid, "RelayMessage", relayed),
    )
    return all([_refused(await client.send(attempt)) for attempt in attempts])


async def replay_item(attacker: User, target: Target, client: NodeClient) -> bool:
    """Send a captured item again: the node must not assign it again, and must return its first result."""
    return await client.send(target.captured.raw) == target.captured.result


async def forge(attacker: User, target: Target, client: NodeClient) -> bool:
    """Send a captured item with other data and the old signature."""
    forged = bytearray(target.captured.raw)
    forged[_DATA_BYTE] ^= 1
    try:
        await client.send(bytes(forged))
    except ItemRefused:
        return True
    return False


async def notify(attacker: User, target: Target, client: NodeClient) -> bool:
    """Send a notification to the victim's handle, as only a session may."""
    return _refused(await client.send(attacker.item(target.user.pid, "Notify", {"lastMessageTime": 1})))


ATTACKS: dict[str, Callable[[User, Target, NodeClient], Awaitable[bool]]] = {
    "take a name": take_name,
    "renounce another's name": renounce,
    "speak in others' session": intrude,
    "replay a captured item": replay_item,
    "forge a signature": forge,
    "notify from outside": notify,
}
"""The attacks by their names in scenario files. Each function returns whether the node refused the attack."""


def _refused(result: Result) -> bool:
    return result.error is not None
