"""Attacks on the people of Relation ONE. Each must be refused; each function returns whether it was."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from actors.processes.relation.message import GROUP
from actors.relation.process_client import Refused
from simulations.clients.relation_user import RelationUser, for_address
from simulations.clients.user import UserError
from simulations.world.relation_person import RelationPerson


class Target(NamedTuple):
    """The victim of an attack, and what the attacker knows."""

    victim: RelationPerson
    captured: dict[str, Any]
    """A message between other people."""
    group: str
    """A group of which the attacker is no member; empty if there is none."""
    now_ms: int


async def take_a_name(attacker: RelationPerson, target: Target) -> bool:
    """Register the victim's name in another spelling."""
    body = {"owner": attacker.address, "name": target.victim.handle.upper(), "reverseRecord": True}
    return await _refused(attacker.contract("register", **body))


async def speak_for_another(attacker: RelationPerson, target: Target) -> bool:
    """Send a message in the victim's name, signed by a session key that only the attacker authorised."""
    message = attacker.user.compose(attacker.address, "not mine", timestamp=target.now_ms)
    return await _refused(attacker.send(attacker.user.sign({**message, "sender": target.victim.address})))


async def change_a_message(attacker: RelationPerson, target: Target) -> bool:
    """Send a captured message with another payload."""
    return await _refused(attacker.send({**target.captured, "payload": "something else"}))


async def use_an_old_key(attacker: RelationPerson, target: Target) -> bool:
    """Sign with an expired session key."""
    old = RelationUser(lambda length: b"\7" * length, now=target.now_ms - 2, lasts=1)
    return await _refused(attacker.send(old.compose(target.victim.address, "late", timestamp=target.now_ms - 2)))


async def intrude(attacker: RelationPerson, target: Target) -> bool:
    """Send a message to a group without being a member."""
    group = target.group or target.victim.address
    return await _refused(attacker.send(attacker.user.compose(group, "hello", timestamp=target.now_ms, kind=GROUP)))


async def ask_for_a_key(attacker: RelationPerson, target: Target) -> bool:
    """Request the key of a message between others, under its own conditions and under ones that the attacker meets."""
    own = {**target.captured, "receiver": attacker.address}
    key = {
        "accessControlConditions": for_address(attacker.address),
        "encryptedSymmetricKey": target.captured["encryptedSymmetricKey"],
        "authSig": attacker.proof,
    }
    attempts = (attacker.open(target.captured), attacker.save_key(key), attacker.open(own))
    return all([await _refused(attempt) for attempt in attempts])


ATTACKS: dict[str, Callable[[RelationPerson, Target], Awaitable[bool]]] = {
    "take a name of Relation ONE": take_a_name,
    "speak for another": speak_for_another,
    "change a message": change_a_message,
    "use an old session key": use_an_old_key,
    "write to others' group": intrude,
    "ask for others' key": ask_for_a_key,
}
"""The attacks by their names in results."""


async def _refused(attempt: Awaitable[Any]) -> bool:
    try:
        await attempt
    except (Refused, UserError):
        return True
    return False
