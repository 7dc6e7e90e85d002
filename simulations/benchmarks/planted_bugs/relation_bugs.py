"""Bugs in Relation ONE's processes."""

from bisect import bisect_left
from typing import Any

from msgspec.structs import replace

from actors.processes.relation import mail_index
from actors.protocol.messages import Effects
from simulations.benchmarks.planted_bugs.bug import Plant, PlantedBug, Proceed, every

RELATION = "mostao.relation"


def _lost_follower(plant: Plant) -> None:
    due = every(5)

    def follow(proceed: Proceed, process: Any, *_: Any) -> Effects:
        follows, effects = process.state.follows, proceed()
        if due():
            process.state = replace(process.state, follows=follows)
        return effects

    plant.handler(RELATION, "follow", follow)


def _own_messages_are_unread(plant: Plant) -> None:
    def unread(self: mail_index.Chat, _: str, *, start: int) -> int:
        return len(self.places) - bisect_left(self.places, start)

    plant.attribute(mail_index.Chat, "unread", unread)


def _former_member_reads(plant: Plant) -> None:
    def remove(proceed: Proceed, process: Any, *_: Any) -> Effects:
        groups, effects = process.state.groups, proceed()
        process.state = replace(process.state, groups=groups)
        return effects

    plant.handler(RELATION, "remove", remove)


RELATION_BUGS = (
    PlantedBug("lost follower", "every 5th follow is missing in the list of followers", _lost_follower),
    PlantedBug("own unread", "a person's own messages count as unread at Relation ONE", _own_messages_are_unread),
    PlantedBug("former member reads", "a removed member of Relation ONE's group still reads it", _former_member_reads),
)
