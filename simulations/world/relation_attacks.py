"""What hostile people try on Relation ONE. Every attempt has to be refused."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from actors.processes.relation.message import GROUP
from actors.relation.process_client import Refused
from simulations.clients.relation_user import RelationUser, for_address
from simulations.clients.user import UserError
from simulations.world.relation_person import RelationPerson


class Aim(NamedTuple):
    """Whom an attempt is aimed at."""

    victim: RelationPerson
    captured: dict[str, Any]
    """A message between others."""
    group: str
    """A group that the attacker does not belong to; empty if there is none."""
    now_ms: int


async def take_a_name(attacker: RelationPerson, aim: Aim) -> bool:
    """Register a name that somebody has, in other letters."""
    body = {"owner": attacker.address, "name": aim.victim.handle.upper(), "reverseRecord": True}
    return await _refused(attacker.contract("register", **body))


async def speak_for_another(attacker: RelationPerson, aim: Aim) -> bool:
    """Send a message in somebody's name, signed by a session key that only the attacker authorised."""
    message = attacker.user.compose(attacker.address, "not mine", timestamp=aim.now_ms)
    return await _refused(attacker.send(attacker.user.sign({**message, "sender": aim.victim.address})))


async def change_a_message(attacker: RelationPerson, aim: Aim) -> bool:
    """Send somebody's message with another payload."""
    return await _refused(attacker.send({**aim.captured, "payload": "something else"}))


async def use_an_old_key(attacker: RelationPerson, aim: Aim) -> bool:
    """Sign with a session key whose time is over."""
    old = RelationUser(lambda length: b"\7" * length, now=aim.now_ms - 2, lasts=1)
    return await _refused(attacker.send(old.compose(aim.victim.address, "late", timestamp=aim.now_ms - 2)))


async def intrude(attacker: RelationPerson, aim: Aim) -> bool:
    """Write to a group from outside."""
    group = aim.group or aim.victim.address
    return await _refused(attacker.send(attacker.user.compose(group, "hello", timestamp=aim.now_ms, kind=GROUP)))


async def ask_for_a_key(attacker: RelationPerson, aim: Aim) -> bool:
    """Ask for the key of a message between others: as oneself, and under conditions that one meets."""
    own = {**aim.captured, "receiver": attacker.address}
    kept = {
        "accessControlConditions": for_address(attacker.address),
        "encryptedSymmetricKey": aim.captured["encryptedSymmetricKey"],
        "authSig": attacker.proof,
    }
    attempts = (attacker.open(aim.captured), attacker.keep(kept), attacker.open(own))
    return all([await _refused(attempt) for attempt in attempts])


ATTACKS: dict[str, Callable[[RelationPerson, Aim], Awaitable[bool]]] = {
    "take a name of Relation ONE": take_a_name,
    "speak for another": speak_for_another,
    "change a message": change_a_message,
    "use an old session key": use_an_old_key,
    "write to others' group": intrude,
    "ask for others' key": ask_for_a_key,
}
"""By what they are called."""


async def _refused(attempt: Awaitable[Any]) -> bool:
    try:
        await attempt
    except (Refused, UserError):
        return True
    return False
